import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Schemas } from '../../api/client';
import { runbooksQuery } from '../../api/health';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { EmptyState, Load } from '../../ui/States';
import { useUrl } from '../../ui/useUrl';
import classes from './Incidents.module.css';

type Head = Schemas['RunbookHead'];

/** What to do about every failure, found by what it is about or by the failure's code. */
export function Page() {
  const query = useQuery(runbooksQuery);
  return (
    <>
      <div className={classes.bar}>
        <Filters search={{ label: 'Search runbooks and codes' }} filters={[]} />
      </div>
      <Load query={query}>{(all) => <List all={all} />}</Load>
    </>
  );
}

function List({ all }: { all: readonly Head[] }) {
  const [url] = useUrl();
  const navigate = useNavigate();
  const wanted = url.q?.toLowerCase() ?? '';
  const rows = useMemo(() => all.filter((r) => wanted === '' || `${r.title} ${r.id} ${r.codes.join(' ')} ${(r.connectors ?? []).join(' ')}`.toLowerCase().includes(wanted)), [all, wanted]);
  const columns: Column<Head>[] = [
    {
      key: 'title',
      head: 'Runbook',
      width: 'minmax(220px, 2fr)',
      cell: (r) => (
        <Link to="/health/runbooks/$id" params={{ id: r.id }} className="cut">
          {r.title}
        </Link>
      ),
    },
    { key: 'codes', head: 'Codes', width: 'minmax(160px, 2fr)', cell: (r) => <code className="cut">{r.codes.join(', ')}</code>, from: 560 },
    { key: 'connectors', head: 'Of', width: 'minmax(100px, 1fr)', cell: (r) => <span className="cut">{r.connectors?.join(', ') ?? 'any'}</span>, from: 760 },
    { key: 'own', head: 'From', width: '120px', cell: (r) => (r.own ? 'your folder' : 'Sluice'), from: 860 },
  ];
  return (
    <DataTable
      label="Runbooks"
      rows={rows}
      rowKey={(r) => r.id}
      columns={columns}
      maxHeight="calc(100vh - 250px)"
      onOpen={(r) => void navigate({ to: '/health/runbooks/$id', params: { id: r.id } })}
      empty={<EmptyState title="No runbook is about this">Every code of a failure has one: try the code as the error shows it.</EmptyState>}
    />
  );
}

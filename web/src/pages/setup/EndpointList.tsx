import { Button, Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useMay } from '../../api/me';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { PageFrame } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconDestination, IconPlus, IconSource } from '../../ui/icons';
import { statusWord } from '../../ui/status';
import { listOf, useUrl } from '../../ui/useUrl';
import { KindPicker } from './KindPicker';
import { Monogram } from './Monogram';
import { endpointsQuery, kindsQuery, type Endpoint, type Role } from './model/endpoints';

/** All sources, or all destinations: what they are, whether they work, since when that is known. */
export function EndpointList({ side }: { side: Role }) {
  const [url] = useUrl();
  const navigate = useNavigate();
  const query = useQuery(endpointsQuery(side));
  const kinds = useQuery(kindsQuery(side));
  const may = useMay('edit');
  const [picking, setPicking] = useState(false);
  const title = side === 'source' ? 'Sources' : 'Destinations';
  const kindTitle = (name: string) => kinds.data?.find((k) => k.name === name)?.title ?? name;
  const all = query.data ?? [];
  const shown = useMemo(() => filtered(query.data ?? [], url), [query.data, url]);
  const broken = all.filter((e) => e.setup_state === 'broken').length;
  const unchecked = all.filter((e) => e.setup_state === 'incomplete').length;
  const to = (e: Endpoint) => (side === 'source' ? ({ to: '/sources/$id', params: { id: e.id } } as const) : ({ to: '/destinations/$id', params: { id: e.id } } as const));
  const columns: Column<Endpoint>[] = [
    {
      key: 'name',
      head: 'Name',
      width: 'minmax(180px, 2fr)',
      cell: (e) => (
        <span className="row">
          <Monogram name={kindTitle(e.connector)} small />
          <Link {...to(e)} className="cut">
            {e.name}
          </Link>
        </span>
      ),
    },
    { key: 'state', head: 'State', width: 'minmax(120px, 1fr)', cell: (e) => <HealthBadge status={e.setup_state} /> },
    { key: 'kind', head: 'Kind', width: 'minmax(110px, 1fr)', cell: (e) => kindTitle(e.connector), from: 640 },
    { key: 'why', head: 'Why', width: 'minmax(160px, 2fr)', cell: (e) => (e.problem ? <span title={e.problem.message}>{e.problem.message}</span> : <span className="faint">–</span>), from: 900 },
    { key: 'team', head: 'Team', width: 'minmax(80px, 1fr)', cell: (e) => e.team || <span className="faint">–</span>, from: 760 },
    { key: 'checked', head: 'Checked', width: '110px', align: 'right', cell: (e) => <TimeAgo at={e.checked_at} otherwise="never" />, from: 700 },
  ];
  const add = may && (
    <Button leftSection={<IconPlus size={14} />} onClick={() => setPicking(true)}>
      New {side}
    </Button>
  );
  return (
    <PageFrame
      title={title}
      summary={query.data && all.length > 0 ? [plural(all.length, side), broken > 0 ? `${broken} broken` : '', unchecked > 0 ? `${unchecked} not checked` : ''].filter(Boolean).join(', ') : undefined}
      actions={all.length > 0 && add}
      fill
    >
      <Load query={query}>
        {() =>
          all.length === 0 ? (
            <EmptyState title={`No ${side}s yet`} icon={side === 'source' ? <IconSource size={28} stroke={1.4} /> : <IconDestination size={28} stroke={1.4} />} action={add}>
              {side === 'source' ? 'A source is where data comes from: a database, an API, files. Connections read it.' : 'A destination is where data goes: a DuckDB file or a database. Connections write to it.'}
            </EmptyState>
          ) : (
            <>
              <Filters
                search={{ label: `Search ${side}s` }}
                filters={[
                  { name: 'state', label: 'State', options: ['connected', 'incomplete', 'broken'].map((s) => ({ value: s, label: statusWord(s).word })) },
                  { name: 'kind', label: 'Kind', options: [...new Set(all.map((e) => e.connector))].sort().map((k) => ({ value: k, label: kindTitle(k) })) },
                  { name: 'team', label: 'Team', options: [...new Set(all.map((e) => e.team).filter(Boolean))].sort() },
                ]}
              />
              <DataTable
                label={title}
                rows={shown}
                rowKey={(e) => e.id}
                columns={columns}
                onOpen={(e) => void navigate(to(e))}
                narrow={(e) => (
                  <span className="row">
                    <Monogram name={kindTitle(e.connector)} />
                    <span className="grow">
                      <Link {...to(e)} className="plain">
                        <b className="cut">{e.name}</b>
                      </Link>
                      <br />
                      <HealthBadge status={e.setup_state} />
                    </span>
                  </span>
                )}
                empty={<EmptyState title={`No ${side} is like this`}>Take back a filter to see more.</EmptyState>}
              />
            </>
          )
        }
      </Load>
      <Modal opened={picking} onClose={() => setPicking(false)} title={`New ${side}`} size="lg">
        <Load query={kinds}>{(list) => <KindPicker side={side} kinds={list} label="Kinds" onPick={(k) => void navigate(side === 'source' ? { to: '/sources/$id', params: { id: 'new' }, search: { kind: k.name } } : { to: '/destinations/$id', params: { id: 'new' }, search: { kind: k.name } })} />}</Load>
      </Modal>
    </PageFrame>
  );
}

function filtered(all: readonly Endpoint[], url: Record<string, string | undefined>): Endpoint[] {
  const q = (url.q ?? '').toLowerCase();
  const has = (name: string, value: string) => {
    const wanted = listOf(url[name]);
    return wanted.length === 0 || wanted.includes(value);
  };
  return all.filter((e) => [e.name, e.connector, e.team].some((t) => t.toLowerCase().includes(q)) && has('state', e.setup_state) && has('kind', e.connector) && has('team', e.team));
}

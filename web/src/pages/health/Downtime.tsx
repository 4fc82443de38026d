import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Schemas } from '../../api/client';
import { reportQuery, type ReportQuery } from '../../api/health';
import { CopyAs } from '../../ui/CopyAs';
import { DataTable, type Column } from '../../ui/DataTable';
import { EmptyState, Load } from '../../ui/States';
import { useNow } from '../../ui/Time';
import { duration, percent, plural } from '../../ui/format';
import { useUrl } from '../../ui/useUrl';
import { Choice } from './Choice';
import classes from './Downtime.module.css';
import { fromLocal, toLocal } from './causes';
import { periodOf, periods } from './periods';

type Group = Schemas['HealthGroup'];

/** For how long data did not come as they should, over any period, the worst first. */
export function Page() {
  const [url, set] = useUrl();
  const now = useNow(60_000);
  const by = (url.by ?? 'connection') as NonNullable<ReportQuery['by']>;
  const { from, to } = periodOf(url, now);
  const params: ReportQuery = { by, from, ...(to ? { to } : {}) };
  const query = useQuery(reportQuery(params));
  return (
    <>
      <div className={classes.bar}>
        <Choice name="by" label="Grouped by" otherwise="By connection" options={[{ value: 'connector', label: 'By connector' }, { value: 'team', label: 'By team' }, { value: 'all', label: 'All together' }]} />
        <Choice name="period" label="Period" otherwise="Last 30 days" options={periods.map(([value, label]) => ({ value, label }))} />
        {url.period === 'custom' && (
          <>
            <TextInput size="xs" type="datetime-local" aria-label="From" value={toLocal(url.from)} onChange={(e) => set({ from: fromLocal(e.currentTarget.value) })} />
            <TextInput size="xs" type="datetime-local" aria-label="To" value={toLocal(url.to)} onChange={(e) => set({ to: fromLocal(e.currentTarget.value) })} />
          </>
        )}
        <span className="grow" />
        <CopyAs call={{ method: 'GET', path: `/api/v1/health/report?${new URLSearchParams(Object.entries(params)).toString()}` }} />
      </div>
      <Load query={query}>{(report) => <Table report={report} />}</Load>
    </>
  );
}

function Table({ report }: { report: Schemas['HealthReport'] }) {
  const rows = useMemo(() => report.items.toSorted((a, b) => b.downtime_minutes - a.downtime_minutes || a.name.localeCompare(b.name)), [report.items]);
  const columns: Column<Group>[] = [
    { key: 'name', head: { connection: 'Connection', connector: 'Connector', team: 'Team', all: 'All' }[report.by], width: 'minmax(160px, 2fr)', cell: (g) => <Name group={g} by={report.by} /> },
    { key: 'uptime', head: 'Uptime', width: '90px', align: 'right', cell: (g) => <span className="num">{g.measured_minutes > 0 ? percent(g.uptime) : 'no data'}</span> },
    { key: 'share', head: 'Not healthy', width: 'minmax(120px, 2fr)', cell: (g) => <Share group={g} />, from: 560 },
    { key: 'downtime', head: 'Data downtime', width: '130px', align: 'right', cell: (g) => <Minutes n={g.downtime_minutes} /> },
    { key: 'down', head: 'Down', width: '110px', align: 'right', cell: (g) => <Minutes n={g.down_minutes} />, from: 760 },
    { key: 'action', head: 'Needs action', width: '110px', align: 'right', cell: (g) => <Minutes n={g.needs_action_minutes} />, from: 860 },
    { key: 'degraded', head: 'Degraded', width: '110px', align: 'right', cell: (g) => <Minutes n={g.degraded_minutes} />, from: 960 },
    ...(report.by === 'connection' ? [] : [{ key: 'connections', head: 'Connections', width: '100px', align: 'right' as const, cell: (g: Group) => g.connections, from: 680 }]),
  ];
  return (
    <DataTable
      label="Data downtime"
      rows={rows}
      rowKey={(g) => g.key || '-'}
      columns={columns}
      maxHeight="calc(100vh - 250px)"
      narrow={(g) => (
        <div className="row">
          <span className="grow cut">
            <Name group={g} by={report.by} />
          </span>
          <span className="dim">
            {g.measured_minutes > 0 ? percent(g.uptime) : 'no data'}, <Minutes n={g.downtime_minutes} /> down
          </span>
        </div>
      )}
      narrowHeight={44}
      empty={<EmptyState title="Nothing was measured in this period">Health is known from the first sync of a connection on; time while it is paused is not counted.</EmptyState>}
    />
  );
}

function Name({ group: g, by }: { group: Group; by: Schemas['HealthReport']['by'] }) {
  if (by !== 'connection' || !g.key) return <span className="cut">{g.name || (by === 'team' ? 'No team' : plural(g.connections, 'connection'))}</span>;
  return (
    <Link to="/connections/$id" params={{ id: g.key }} className="cut">
      {g.name || g.key}
    </Link>
  );
}

function Minutes({ n }: { n: number }) {
  return n > 0 ? <span className="num">{duration(n * 60_000)}</span> : <span className="faint">none</span>;
}

/** Which part of the measured time was how bad. */
function Share({ group: g }: { group: Group }) {
  const all = Math.max(g.measured_minutes, 1e-9);
  const parts = [
    ['down', g.down_minutes / all],
    ['action', g.needs_action_minutes / all],
    ['degraded', g.degraded_minutes / all],
  ] as const;
  let at = 0;
  return (
    <svg className={classes.share} viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={`${percent(g.downtime_minutes / all)} of the time not healthy`}>
      {parts.map(([tone, share]) => {
        const x = at;
        at += share * 100;
        return <rect key={tone} x={x} y={0} width={share * 100} height={8} data-tone={tone} />;
      })}
    </svg>
  );
}

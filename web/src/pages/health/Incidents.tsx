import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { healthQuery, incidentsQuery, type Incident, type IncidentsQuery } from '../../api/health';
import { readMore } from '../../api/pages';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time, TimeAgo, useNow } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconHealth } from '../../ui/icons';
import { useUrl } from '../../ui/useUrl';
import { Choice } from './Choice';
import classes from './Incidents.module.css';
import { dueness, reach, severities, states, worstFirst } from './causes';

/** Causes of trouble, the worst first: what is under way unless the address says otherwise. */
export function Page() {
  const [url] = useUrl();
  const query = useInfiniteQuery(
    incidentsQuery({
      sort: 'severity',
      ...(url.state === 'all' ? {} : { state: (url.state ?? 'under_way') as NonNullable<IncidentsQuery['state']> }),
      ...(url.severity ? { severity: url.severity as NonNullable<IncidentsQuery['severity']> } : {}),
      ...(url.q ? { search: url.q } : {}),
      ...(url.team ? { team: url.team } : {}),
      ...(url.connector ? { connector: url.connector } : {}),
      ...(url.assignee ? { assignee: url.assignee } : {}),
    }),
  );
  return (
    <>
      <div className={classes.bar}>
        <Filters search={{ label: 'Search causes' }} filters={[]}>
          <Choice name="state" label="State" otherwise="Under way" options={[...Object.entries(states).map(([value, s]) => ({ value, label: s.word })), { value: 'all', label: 'All' }]} />
          <Choice name="severity" label="Severity" otherwise="Any severity" options={Object.entries(severities).map(([value, s]) => ({ value, label: s.word }))} />
        </Filters>
      </div>
      <Load query={query}>
        {(data) => (
          <List items={data.pages.flatMap((p) => p.items)} onEnd={() => readMore(query)} filtered={Boolean(url.state ?? url.severity ?? url.q ?? url.team ?? url.connector ?? url.assignee)} />
        )}
      </Load>
    </>
  );
}

function List({ items, onEnd, filtered }: { items: readonly Incident[]; onEnd: () => void; filtered: boolean }) {
  const navigate = useNavigate();
  const now = useNow(60_000);
  const rows = useMemo(() => worstFirst(items), [items]);
  const columns: Column<Incident>[] = [
    { key: 'severity', head: 'Severity', width: '84px', cell: (i) => <Severity incident={i} /> },
    { key: 'cause', head: 'Cause', width: 'minmax(260px, 3fr)', cell: (i) => <Lead incident={i} /> },
    { key: 'state', head: 'State', width: '138px', cell: (i) => <HealthBadge status={i.state} word={states[i.state].word} tone={states[i.state].tone} soft />, from: 620 },
    { key: 'connections', head: 'Held down', width: '86px', align: 'right', cell: (i) => <span className="num">{i.connections}</span>, from: 560 },
    { key: 'since', head: 'Since', width: '110px', cell: (i) => <TimeAgo at={i.first_seen} />, from: 700 },
    { key: 'seen', head: 'Last failure', width: '110px', cell: (i) => <TimeAgo at={i.last_seen} />, from: 980 },
    { key: 'assignee', head: 'Assignee', width: 'minmax(100px, 1fr)', cell: (i) => <span className="cut">{i.assignee ?? <span className="faint">nobody</span>}</span>, from: 860 },
    { key: 'due', head: 'Due', width: '128px', cell: (i) => <Due incident={i} now={now} />, from: 760 },
  ];
  return (
    <DataTable
      label="Incidents"
      rows={rows}
      rowKey={(i) => i.id}
      columns={columns}
      rowHeight={50}
      narrowHeight={92}
      maxHeight="calc(100vh - 250px)"
      onOpen={(i) => void navigate({ to: '/health/incidents/$id', params: { id: String(i.number) } })}
      onEnd={onEnd}
      narrow={(i) => (
        <div className="stack" style={{ gap: 4 }}>
          <Lead incident={i} />
          <span className="row">
            <Severity incident={i} />
            <span className="dim">{states[i.state].word}, since</span> <TimeAgo at={i.first_seen} />
          </span>
        </div>
      )}
      empty={filtered ? <EmptyState title="No incident is like this">Take a filter away to see others.</EmptyState> : <Calm />}
    />
  );
}

/** Nothing is wrong, or nothing is known yet: these are not the same. */
function Calm() {
  const health = useQuery(healthQuery);
  if (health.data && !health.data.tracked)
    return (
      <EmptyState icon={<IconHealth size={28} />} title="Nothing has been seen yet">
        Incidents appear here when syncs fail: one for each cause, however many connections it holds down.
      </EmptyState>
    );
  return (
    <EmptyState icon={<IconHealth size={28} />} title="No incident is under way">
      {health.data ? `${plural(health.data.connections.healthy, 'connection')} healthy. ` : ''}When syncs fail, each cause appears here once, however many connections it holds down.
    </EmptyState>
  );
}

export function Severity({ incident: i }: { incident: Incident }) {
  const s = severities[i.severity];
  return <HealthBadge status={i.severity} word={s.word} tone={s.tone} />;
}

function Lead({ incident: i }: { incident: Incident }) {
  return (
    <span className={classes.lead}>
      <span className="cut">
        <span className={classes.number}>#{i.number} </span>
        <Link to="/health/incidents/$id" params={{ id: String(i.number) }} className="plain">
          {i.title}
        </Link>
      </span>
      <span className={classes.under}>
        <span className="cut">{reach(i)}</span>
      </span>
    </span>
  );
}

export function Due({ incident: i, now }: { incident: Incident; now: number }) {
  if (!i.due_at) return <span className="faint">not filed</span>;
  const how = dueness(i, now);
  return (
    <span className={classes.due} data-due={how} title={how === 'overdue' ? 'Overdue' : how === 'near' ? 'Due within three days' : undefined}>
      {how === 'overdue' ? 'overdue, ' : ''}
      {how ? <TimeAgo at={i.due_at} /> : <Time at={i.due_at} />}
    </span>
  );
}

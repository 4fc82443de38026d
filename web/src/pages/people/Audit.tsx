import { Button, Drawer } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { nextPage, readMore } from '../../api/pages';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { Facts } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time } from '../../ui/Time';
import { time } from '../../ui/format';
import { useUrl } from '../../ui/useUrl';
import { usersQuery } from './api';
import { differences, written } from './diff';
import classes from './people.module.css';

type Entry = Schemas['AuditEntry'];

const objects = ['connection', 'source', 'destination', 'sync', 'drift', 'plan', 'user', 'token', 'grant', 'session', 'incident', 'ticket', 'alert', 'channel', 'silence', 'rota', 'runbook'];
const spans: { value: string; label: string; hours: number }[] = [
  { value: '1h', label: 'Last hour', hours: 1 },
  { value: '24h', label: 'Last 24 hours', hours: 24 },
  { value: '7d', label: 'Last 7 days', hours: 168 },
  { value: '30d', label: 'Last 30 days', hours: 720 },
];

export function Page() {
  const may = useMay('audit');
  if (!may) return <EmptyState title="The audit log is for admins to see" />;
  return <Audit />;
}

/** Who did what to what, when, from where; with what it was before and after. */
function Audit() {
  const [url, set] = useUrl();
  const users = useQuery(usersQuery);
  const since = useMemo(() => {
    const hours = spans.find((s) => s.value === url.since)?.hours;
    return hours ? new Date(Math.floor(Date.now() / 60_000) * 60_000 - hours * 3_600_000).toISOString() : undefined;
  }, [url.since]);
  const filter = { ...(url.by ? { actor_id: url.by } : {}), ...(url.what ? { object_type: url.what } : {}), ...(url.object ? { object_id: url.object } : {}), ...(url.q ? { action: url.q } : {}), ...(since ? { since } : {}) };
  const query = useInfiniteQuery({
    queryKey: keys.list('audit', filter),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/audit', { params: { query: { limit: 200, ...filter, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });
  const rows = useMemo(() => (query.data?.pages ?? []).flatMap((p) => p.items), [query.data]);
  const open = rows.find((e) => String(e.id) === url.entry);
  const columns: Column<Entry>[] = [
    { key: 'at', head: 'When', width: '130px', cell: (e) => <Time at={e.at} /> },
    { key: 'who', head: 'Who', width: 'minmax(140px, 1fr)', cell: (e) => e.actor_name ?? <span className="dim">Sluice</span> },
    { key: 'what', head: 'What', width: 'minmax(130px, 1fr)', cell: (e) => <code>{e.action}</code> },
    { key: 'object', head: 'To what', width: 'minmax(150px, 1.4fr)', cell: (e) => e.object_name ?? e.object_id ?? <span className="faint">–</span> },
    { key: 'outcome', head: 'Outcome', width: 'minmax(150px, 1fr)', cell: (e) => <Outcome entry={e} />, from: 760 },
    { key: 'ip', head: 'From', width: '120px', cell: (e) => <span className="mono">{e.ip ?? '–'}</span>, from: 900 },
  ];
  return (
    <>
      <div style={{ paddingTop: 12 }}>
        <Filters
          search={{ label: 'Action, such as connection.' }}
          filters={[
            { name: 'by', label: 'By whom', options: (users.data ?? []).map((u) => ({ value: u.id, label: u.name || u.email })), single: true },
            { name: 'what', label: 'To what', options: objects, single: true },
            { name: 'since', label: 'When', options: spans.map(({ value, label }) => ({ value, label })), single: true },
          ]}
        >
          {url.object && (
            <Button variant="light" size="xs" onClick={() => set({ object: undefined })}>
              Only {url.object} ×
            </Button>
          )}
        </Filters>
      </div>
      <Load query={query}>
        {() => (
          <DataTable
            label="Audit log"
            rows={rows}
            rowKey={(e) => String(e.id)}
            columns={columns}
            current={url.entry}
            maxHeight="calc(100vh - 220px)"
            total={query.hasNextPage ? -1 : rows.length + 1}
            onEnd={() => readMore(query)}
            onOpen={(e) => set({ entry: String(e.id) }, { push: true })}
            narrow={(e) => (
              <span>
                <b>{e.actor_name ?? 'Sluice'}</b> <code>{e.action}</code>
                <br />
                <span className="dim">
                  {e.object_name ?? e.object_id} · {time(e.at)}
                </span>
              </span>
            )}
            empty={<EmptyState title="Nothing of this kind was done" />}
          />
        )}
      </Load>
      <Drawer opened={open !== undefined} onClose={() => set({ entry: undefined })} position="right" size="lg" title={open ? <code>{open.action}</code> : undefined} closeButtonProps={{ 'aria-label': 'Close' }}>
        {open && <Details entry={open} />}
      </Drawer>
    </>
  );
}

function Outcome({ entry }: { entry: Entry }) {
  return entry.outcome === 'done' ? <HealthBadge status="done" tone="healthy" word="Done" /> : <HealthBadge status={entry.outcome} tone="down" word={`Refused: ${entry.outcome}`} />;
}

const pages: Record<string, string> = { connection: '/connections/', source: '/sources/', destination: '/destinations/', user: '/people/users/' };

function Details({ entry }: { entry: Entry }) {
  const changes = differences(entry.before, entry.after);
  const page = entry.object_id ? pages[entry.object_type] : undefined;
  return (
    <div className="stack">
      <Facts
        items={[
          ['When', <Time key="t" at={entry.at} copy />],
          ['Who', entry.actor_name ?? 'Sluice'],
          ['Outcome', <Outcome key="o" entry={entry} />],
          ['To what', page ? <Link key="l" to={`${page}${entry.object_id}` as '/'}>{entry.object_name ?? entry.object_id}</Link> : (entry.object_name ?? entry.object_id ?? '–')],
          ['From', <code key="i">{entry.ip ?? '–'}</code>],
          ['With', entry.user_agent || '–'],
          ['Request', <code key="r">{entry.request_id ?? '–'}</code>],
        ]}
      />
      {changes.length === 0 ? (
        <p className="dim">Nothing of its settings changed.</p>
      ) : (
        <table className={classes.diff}>
          <caption className="sr">Before and after</caption>
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">Before</th>
              <th scope="col">After</th>
            </tr>
          </thead>
          <tbody>
            {changes.map((c) => (
              <tr key={c.path}>
                <th scope="row">
                  <code>{c.path}</code>
                </th>
                <td data-was={c.before !== undefined || undefined}>
                  <code>{written(c.before)}</code>
                </td>
                <td data-is={c.after !== undefined || undefined}>
                  <code>{written(c.after)}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

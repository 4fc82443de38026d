import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { fleetDaysQuery, useFleet, type FleetRow } from '../../api/fleet';
import { may, useMe } from '../../api/me';
import { DataTable } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { PageFrame } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { count, plural } from '../../ui/format';
import { IconConnections, IconPlus } from '../../ui/icons';
import { statusWord } from '../../ui/status';
import { listOf, useUrl } from '../../ui/useUrl';
import { Views } from '../../ui/Views';
import { Bulk } from './Bulk';
import { Card, columnsWith } from './cells';
import classes from './Connections.module.css';
import { choices, shown, statusChoices, tally } from './rows';

/** Selections up to this are in the address, too. */
const selectionInUrl = 40;

export function Page() {
  const fleet = useFleet();
  const me = useMe();
  const rows = fleet.data?.items;
  return (
    <PageFrame
      title="Connections"
      fill
      summary={rows && rows.length > 0 && plural(rows.length, 'connection')}
      actions={
        <>
          <Views page="/connections" />
          {may(me, 'edit') && (
            <Button component={Link} to="/setup" leftSection={<IconPlus size={14} />}>
              New connection
            </Button>
          )}
        </>
      }
    >
      <Load query={fleet} lines={12}>
        {(f) =>
          f.items.length === 0 ? (
            <EmptyState
              icon={<IconConnections size={28} />}
              title="No connections yet"
              action={
                may(me, 'edit') ? (
                  <Button component={Link} to="/setup" size="sm">
                    Set one up
                  </Button>
                ) : undefined
              }
            >
              A connection replicates a source into a destination on a schedule. {may(me, 'edit') ? 'Setting one up takes about three minutes.' : 'Ask an admin to set one up, or to let you see one.'}
            </EmptyState>
          ) : (
            <List rows={f.items} />
          )
        }
      </Load>
    </PageFrame>
  );
}

/** How many are how; each number filters by it. */
function Tally({ rows }: { rows: readonly FleetRow[] }) {
  const [url, set] = useUrl();
  const counts = useMemo(() => tally(rows), [rows]);
  return (
    <div className={classes.tally} role="group" aria-label="By status">
      {counts.map(({ status, count: n }) => (
        <button key={status} type="button" aria-pressed={url.status === status} onClick={() => set({ status: url.status === status ? undefined : status })}>
          <HealthBadge status={status} word={`${count(n)} ${statusWord(status).word.toLowerCase()}`} />
        </button>
      ))}
    </div>
  );
}

function List({ rows }: { rows: readonly FleetRow[] }) {
  const [url, set] = useUrl();
  const navigate = useNavigate();
  const me = useMe();
  const days = useQuery(fleetDaysQuery(30)).data;
  const visible = useMemo(() => shown(rows, url), [rows, url]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(() => new Set(listOf(url.sel)));
  const select = useCallback(
    (next: Set<string>) => {
      setSelected(next);
      set({ sel: next.size <= selectionInUrl ? [...next].join(',') : undefined });
    },
    [set],
  );
  // Going back in the history takes the selection back, too.
  useEffect(() => {
    if (url.sel !== undefined) setSelected((now) => ([...now].join(',') === url.sel ? now : new Set(listOf(url.sel))));
  }, [url.sel]);
  const mayRun = useCallback((id: string) => may(me, 'run', id), [me]);
  const some = may(me, 'run') || Object.values(me.grants ?? {}).some((role) => role !== 'viewer');
  const items = useMemo(() => (selected.size === 0 ? [] : rows.filter((r) => selected.has(r.id) && mayRun(r.id)).map(({ id, name }) => ({ id, name }))), [rows, selected, mayRun]);
  const columns = useMemo(() => columnsWith(days), [days]);
  const filters = useMemo(
    () => [
      { name: 'status', label: 'Status', options: statusChoices },
      { name: 'fresh', label: 'Freshness', options: [{ value: 'on_schedule', label: 'On schedule' }, { value: 'delayed', label: 'Delayed' }] },
      { name: 'source', label: 'Source', options: choices(rows, 'source', (_, r) => r.source_name) },
      { name: 'connector', label: 'Connector', options: choices(rows, 'connector') },
      { name: 'destination', label: 'Destination', options: choices(rows, 'destination', (_, r) => r.destination_name) },
      { name: 'team', label: 'Team', options: choices(rows, 'team') },
      { name: 'label', label: 'Label', options: choices(rows, 'label') },
      { name: 'region', label: 'Region', options: choices(rows, 'region') },
    ].filter((f) => f.name === 'status' || f.name === 'fresh' || f.options.length > 1 || url[f.name]),
    [rows, url],
  );
  return (
    <>
      <Tally rows={rows} />
      <div className={classes.filters}>
        <Filters search={{ label: 'Search names, sources, labels, error codes' }} filters={filters}>
          {visible.length < rows.length && (
            <span className={classes.found} role="status">
              {count(visible.length)} of {count(rows.length)}
            </span>
          )}
        </Filters>
      </div>
      <Bulk items={items} mayEdit={may(me, 'edit') || Object.values(me.grants ?? {}).includes('admin')} onClear={() => select(new Set())} />
      <DataTable
        label="Connections"
        rows={visible}
        rowKey={(r) => r.id}
        columns={columns}
        rowHeight={44}
        narrow={(r) => <Card row={r} days={days} />}
        narrowHeight={104}
        onOpen={(r) => void navigate({ to: '/connections/$id/timeline', params: { id: r.id } })}
        selected={some ? selected : undefined}
        onSelect={some ? select : undefined}
        sort={url.sort ?? 'status'}
        onSort={(sort) => set({ sort: sort === 'status' ? undefined : sort })}
        empty={
          <EmptyState title="No connection is like that" action={<Button variant="default" onClick={() => set(Object.fromEntries(['q', ...filters.map((f) => f.name)].map((n) => [n, undefined])))}>Reset the filters</Button>}>
            None of the {count(rows.length)} connections passes the filters above.
          </EmptyState>
        }
      />
    </>
  );
}

import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback } from 'react';
import { api, body } from '../../../api/client';
import { connectionQuery } from '../../../api/connections';
import type { Event } from '../../../api/events';
import { keys } from '../../../api/keys';
import { useProgress } from '../../../api/progress';
import { useEvents } from '../../../app/live';
import { ErrorCard } from '../../../ui/ErrorCard';
import { PageFrame } from '../../../ui/PageFrame';
import { EmptyState, Load, LoadingState } from '../../../ui/States';
import { HealthBadge } from '../../../ui/StatusDot';
import { Since } from '../../../ui/Time';
import { Meter, Sparkline } from '../../../ui/charts';
import { bytes, count, duration, plural, rate, streamName } from '../../../ui/format';
import { IconArrowRight, IconPlay } from '../../../ui/icons';
import type { Schemas } from '../../../api/client';
import classes from './steps.module.css';

/** The first rows as they arrive. */
export function FirstSync({ id }: { id: string }) {
  const connection = useQuery(connectionQuery(id));
  return (
    <Load query={connection}>
      {(c) => (
        <PageFrame
          title={c.name}
          above={<Link to="/connections">Connections</Link>}
          summary={c.last_sync ? 'Its first sync' : 'It was created'}
          actions={
            <>
              <Button component={Link} to="/setup" search={{} as never} variant="default">
                Set up another
              </Button>
              <Button component={Link} to={`/connections/${c.id}`} rightSection={<IconArrowRight size={14} />}>
                Open the connection
              </Button>
            </>
          }
        >
          {c.last_sync ? <Live connection={c} sync={c.last_sync} /> : <NotStarted connection={c} />}
        </PageFrame>
      )}
    </Load>
  );
}

function NotStarted({ connection }: { connection: Schemas['Connection'] }) {
  const client = useQueryClient();
  const start = useMutation({
    mutationFn: () => body(api.POST('/api/v1/connections/{connection}/sync', { params: { path: { connection: connection.id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.one('connections', connection.id) }),
  });
  return (
    <EmptyState
      title="No sync yet"
      action={
        <Button leftSection={<IconPlay size={14} />} loading={start.isPending} onClick={() => start.mutate()}>
          Sync now
        </Button>
      }
    >
      {connection.status.waiting ?? 'It runs by its schedule, or now.'}
    </EmptyState>
  );
}

function Live({ connection, sync }: { connection: Schemas['Connection']; sync: Schemas['Sync'] }) {
  const client = useQueryClient();
  const live = useProgress(sync.id);
  const streams = useQuery({
    queryKey: keys.one('syncs', sync.id, 'streams'),
    queryFn: ({ signal }) => body(api.GET('/api/v1/syncs/{sync}/streams', { params: { path: { sync: sync.id } }, signal })),
  });
  const onEvents = useCallback(
    (events: readonly Event[]) => {
      if (events.some((e) => e.sync_id === sync.id)) void client.invalidateQueries({ queryKey: keys.one('syncs', sync.id, 'streams') });
    },
    [client, sync.id],
  );
  useEvents(onEvents);
  const ended = sync.state === 'ended';
  const items = streams.data?.items ?? [];
  const rows = ended ? sync.rows : Math.max(live?.rows ?? 0, items.reduce((sum, s) => sum + s.rows, 0), sync.rows);
  const took = sync.started_at && sync.ended_at ? Date.parse(sync.ended_at) - Date.parse(sync.started_at) : undefined;
  return (
    <div className="stack" style={{ gap: 24, paddingTop: 12 }}>
      <div className={classes.live}>
        <div>
          <div className={classes.big} data-rows={rows}>
            {count(rows)}
          </div>
          <div className="dim">{ended ? 'rows delivered' : 'rows read'}</div>
        </div>
        {!ended && live && (
          <div>
            <Sparkline values={live.rates.length > 1 ? live.rates : [0, live.rows_per_second]} width={160} height={36} label={`Rows a second, now ${rate(live.rows_per_second)}`} />
            <div className="dim">{rate(live.rows_per_second)}</div>
          </div>
        )}
        <div role="status">
          <HealthBadge status={ended ? (sync.outcome ?? 'ended') : sync.state} />
          <div className="dim">
            {ended ? <>in {duration(took)}{sync.bytes > 0 && `, ${bytes(sync.bytes)} read`}</> : sync.started_at ? <Since at={sync.started_at} /> : (connection.status.waiting ?? 'Waits for a worker')}
          </div>
        </div>
      </div>
      {ended && sync.outcome?.startsWith('succeeded') && (
        <p>
          The data is in the schema <code>{connection.schema}</code> of <Link to="/destinations/$id" params={{ id: connection.destination_id }}>{connection.destination_name}</Link>.
        </p>
      )}
      {sync.error && <ErrorCard failure={sync.error} />}
      {streams.isPending && <LoadingState lines={3} />}
      {items.length > 0 && <Tables items={items} ended={ended} />}
      {!ended && items.length === 0 && !streams.isPending && <p className="dim">{plural(connection.selected_streams, 'stream')} will come one by one, as they are read.</p>}
    </div>
  );
}

/** Streams that are shown; more are on the page of the connection. */
const most = 200;

function Tables({ items, ended }: { items: readonly Schemas['StreamCounters'][]; ended: boolean }) {
  return (
    <table className={classes.tables}>
      <caption className="sr">Rows by stream</caption>
      <thead>
        <tr>
          <th scope="col">Stream</th>
          <th scope="col" data-wide>
            Table
          </th>
          <th scope="col">State</th>
          <th scope="col" data-right>
            Rows read
          </th>
          <th scope="col" data-right>
            Delivered
          </th>
        </tr>
      </thead>
      <tbody>
        {items.slice(0, most).map((s) => (
          <tr key={streamName(s.stream)}>
            <th scope="row">{streamName(s.stream)}</th>
            <td data-wide>{s.table ? <code>{streamName(s.table)}</code> : '–'}</td>
            <td>
              {s.error ? s.error.code : s.phase.replaceAll('_', ' ')}
              {!ended && !s.ended_at && <Meter share={s.total > 0 ? s.rows / s.total : null} label={`Progress of ${streamName(s.stream)}`} />}
            </td>
            <td data-right>{count(s.rows)}</td>
            <td data-right>{count(s.committed)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

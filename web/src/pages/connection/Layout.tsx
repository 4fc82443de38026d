import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { connectionQuery, type Connection } from '../../api/connections';
import { LinkTabs } from '../../ui/LinkTabs';
import { PageFrame } from '../../ui/PageFrame';
import { ErrorState, LoadingState, PartialNote } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { schedule } from '../../ui/format';
import { healthOf } from '../../ui/status';
import { Actions } from './Actions';
import classes from './Layout.module.css';
import { ConnectionContext, openSync } from './context';

export function Page() {
  const { id } = useParams({ from: '/shell/connections/$id' });
  const connection = useQuery(connectionQuery(id));
  const c = connection.data;
  return (
    <PageFrame
      title={c?.name ?? 'Connection'}
      above={<Link to="/connections">Connections</Link>}
      summary={c && <Summary connection={c} />}
      actions={c && <Actions connection={c} />}
      tabs={
        <LinkTabs label="Connection">
          <Link to="/connections/$id/timeline" params={{ id }}>Timeline</Link>
          <Link to="/connections/$id/charts" params={{ id }}>Charts</Link>
          <Link to="/connections/$id/streams" params={{ id }}>Streams</Link>
          <Link to="/connections/$id/schema" params={{ id }}>Schema</Link>
          <Link to="/connections/$id/state" params={{ id }}>State</Link>
          <Link to="/connections/$id/syncs" params={{ id }}>Syncs</Link>
          <Link to="/connections/$id/logs" params={{ id }}>Logs</Link>
          <Link to="/connections/$id/settings" params={{ id }}>Settings</Link>
        </LinkTabs>
      }
    >
      {c ? (
        <ConnectionContext value={c}>
          {connection.error && <PartialNote onRetry={() => void connection.refetch()}>This is as it was last read; reading it again failed: {connection.error.message}</PartialNote>}
          <Outlet />
        </ConnectionContext>
      ) : connection.error ? (
        <ErrorState error={connection.error} onRetry={() => void connection.refetch()} />
      ) : (
        <LoadingState />
      )}
    </PageFrame>
  );
}

/** How a connection is, in one line: its health, what it does, how fresh its data are. */
function Summary({ connection: c }: { connection: Connection }) {
  const s = c.status;
  const health = healthOf(s);
  const sync = openSync(c);
  const fresh: ReactNode = s.last_success_at ? (
    <>
      fresh <TimeAgo at={s.last_success_at} />
    </>
  ) : (
    'never synced'
  );
  return (
    <span className={classes.summary}>
      {(s.last_success_at || health !== 'healthy') && <HealthBadge status={health} soft />}
      {s.sync_state !== 'scheduled' && <HealthBadge status={s.sync_state} soft />}
      {s.sync_state === 'scheduled' && !s.last_success_at && health === 'healthy' && <HealthBadge status="new" soft />}
      <span data-late={s.freshness === 'delayed' || undefined} className={classes.fresh}>
        {fresh}
        {s.freshness === 'delayed' ? ', delayed' : ''}
      </span>
      {!sync && !c.paused && <span>{c.schedule.manual ? 'runs when asked' : <>{schedule(c.schedule)}, next <TimeAgo at={s.next_run_at} otherwise="not known" /></>}</span>}
      {sync && s.waiting && <span className={classes.waits}>waits: {s.waiting}</span>}
      {s.rescheduled_for && <span>quota back <TimeAgo at={s.rescheduled_for} /></span>}
    </span>
  );
}

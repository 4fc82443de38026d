import { Button } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { api, body, type Schemas } from '../../api/client';
import { useMay } from '../../api/me';
import { ErrorCard } from '../../ui/ErrorCard';
import { Facts, Section } from '../../ui/PageFrame';
import { ErrorState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Since, Time } from '../../ui/Time';
import { bytes, count, duration, plural, streamName } from '../../ui/format';
import { IconStop } from '../../ui/icons';
import { Flow } from './Flow';
import { StreamMeters } from './StreamMeters';
import classes from './Sync.module.css';
import { openSync, useConnection } from './context';
import { syncQuery } from './queries';
import { triggerWords } from './timeline';

export function Page() {
  const { sync } = useParams({ from: '/shell/connections/$id/syncs/$sync' });
  const query = useQuery(syncQuery(sync));
  return <Load query={query}>{(s) => <Detail sync={s} />}</Load>;
}

function Detail({ sync: s }: { sync: Schemas['SyncDetail'] }) {
  const c = useConnection();
  const running = s.state === 'running';
  return (
    <>
      <div className={classes.syncHead}>
        <Link to="/connections/$id/syncs" params={{ id: c.id }}>
          Syncs
        </Link>
        <h2 className={classes.syncTitle}>
          Sync of <Time at={s.started_at ?? s.queued_at} copy />
        </h2>
        <HealthBadge status={s.outcome ?? s.state} soft />
        <span className="grow" />
        <Cancel sync={s} />
        <Button component={Link} to={`/connections/${c.id}/logs?sync=${s.id}`} variant="default">
          {plural(s.log_lines, 'log line')}
        </Button>
      </div>
      {running && openSync(c)?.id === s.id && <Flow connection={c} />}
      {s.error && <ErrorCard failure={s.error} />}
      <Section title="At a glance">
        <Facts
          items={[
            ['Rows committed', count(s.rows)],
            ['Size read', bytes(s.bytes)],
            ['Deleted', count(s.deleted)],
            ['Rejected', s.rejected > 0 ? <span key="r" className={classes.warn}>{count(s.rejected)}, kept in the destination</span> : '0'],
            ['Changes of tables', count(s.schema_changes)],
            ['Warnings', count(s.warnings)],
            ['Took', s.started_at ? s.ended_at ? duration(Date.parse(s.ended_at) - Date.parse(s.started_at)) : <Since key="s" at={s.started_at} /> : 'not started'],
            ['Waited', s.started_at ? duration(Date.parse(s.started_at) - Date.parse(s.queued_at)) : <Since key="q" at={s.queued_at} />],
            ['Started', `${triggerWords(s.trigger)}${s.requested_by ? ` (${s.requested_by})` : ''}`],
            ['Place in the queue', s.kind],
            ['Region', s.region || 'any'],
            ['Due', <Time key="d" at={s.due_at} />],
            ...(s.resync?.length ? [['Read anew', s.resync.map((n) => (n.name === '' ? 'all streams' : streamName(n))).join(', ')] as const] : []),
            ['Id', <code key="i">{s.id}</code>],
          ]}
        />
      </Section>
      <Section title="Streams">
        <StreamMeters sync={s.id} running={running} />
      </Section>
      <Section title="Attempts" summary={plural(s.history.length, 'attempt')}>
        {s.history.length === 0 ? <p className="dim">No worker has begun it yet.</p> : <Attempts history={s.history} />}
      </Section>
    </>
  );
}

const ends: Record<string, string> = { lost: 'Lost: its worker fell silent', handed_over: 'Handed over: its worker was told to stop' };

function Attempts({ history }: { history: readonly Schemas['Attempt'][] }) {
  return (
    <ol className={classes.attempts}>
      {history.map((a) => (
        <li key={a.number}>
          <div className={classes.attempt}>
            <b>{a.number}</b>
            {a.outcome === undefined ? <HealthBadge status="running" /> : ends[a.outcome] ? <HealthBadge status={a.outcome} word={ends[a.outcome]} tone="degraded" /> : <HealthBadge status={a.outcome} />}
            <span>
              <Time at={a.started_at} />
              {a.ended_at && `, ${duration(Date.parse(a.ended_at) - Date.parse(a.started_at))}`}
            </span>
            <span>{plural(a.rows, 'row')}</span>
            <span className="dim">
              worker <code>{a.worker_id}</code>, epoch {a.epoch}
            </span>
          </div>
          {a.error && <ErrorCard failure={a.error} compact />}
        </li>
      ))}
    </ol>
  );
}

function Cancel({ sync: s }: { sync: Schemas['SyncDetail'] }) {
  const client = useQueryClient();
  const mayRun = useMay('run', s.connection_id);
  const cancel = useMutation({
    mutationFn: () => body(api.POST('/api/v1/syncs/{sync}/cancel', { params: { path: { sync: s.id } } })),
    onSuccess: () => {
      notifications.show({ message: 'The sync ends at its next safe point, within ten seconds.', color: 'teal' });
      void client.invalidateQueries({ queryKey: ['syncs'] });
    },
  });
  if (!mayRun || s.state === 'ended') return null;
  return (
    <>
      <Button variant="default" leftSection={<IconStop size={14} />} disabled={s.cancel_requested} loading={cancel.isPending} onClick={() => cancel.mutate()}>
        {s.cancel_requested ? 'Cancelling…' : 'Cancel this sync'}
      </Button>
      {cancel.error && <ErrorState error={cancel.error} what="It was not cancelled" />}
    </>
  );
}

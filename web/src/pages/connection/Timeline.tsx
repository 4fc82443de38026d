import { Button } from '@mantine/core';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { useMay } from '../../api/me';
import { readMore } from '../../api/pages';
import { useEvents } from '../../app/live';
import { ErrorCard } from '../../ui/ErrorCard';
import { Filters } from '../../ui/Filters';
import { Section } from '../../ui/PageFrame';
import { EmptyState, ErrorState, LoadingState, PartialNote } from '../../ui/States';
import { StatusDot } from '../../ui/StatusDot';
import { Time } from '../../ui/Time';
import { date } from '../../ui/format';
import { listOf, useUrl } from '../../ui/useUrl';
import { ChangeTable } from './ChangeTable';
import { Flow, WaitingNote } from './Flow';
import { DriftDetails } from './DriftDetails';
import { StreamMeters } from './StreamMeters';
import classes from './Timeline.module.css';
import { openSync, useConnection } from './context';
import { auditQuery, driftQuery, happenedQuery, syncsQuery } from './queries';
import { auditEntry, driftEntry, eventEntry, fieldChanges, kinds, merge, syncEntry, type Entry, type Lane } from './timeline';

export function Page() {
  const c = useConnection();
  const sync = openSync(c);
  const failure = c.status.last_failure ?? sync?.error;
  return (
    <>
      <div className={classes.top}>
        <WaitingNote connection={c} />
        <Flow connection={c} />
        {failure && (
          <ErrorCard failure={failure}>
            {(c.status.last_sync_id ?? sync?.id) && (
              <Button component={Link} to={`/connections/${c.id}/logs?sync=${sync?.id ?? c.status.last_sync_id}`} variant="default">
                Logs
              </Button>
            )}
          </ErrorCard>
        )}
      </div>
      {sync?.state === 'running' && (
        <Section title="Streams">
          <StreamMeters sync={sync.id} running />
        </Section>
      )}
      <Section title="What happened">
        <Happened />
      </Section>
    </>
  );
}

/** The lists that make up the timeline, each read page by page. */
function useLanes(id: string) {
  const mayAudit = useMay('audit');
  const syncs = useInfiniteQuery(syncsQuery(id));
  const drift = useInfiniteQuery(driftQuery(id));
  const events = useInfiniteQuery(happenedQuery(id));
  const audit = useInfiniteQuery(auditQuery(id, mayAudit));
  const client = useQueryClient();
  // What somebody did is in the audit log, too; no event is about that itself.
  useEvents(
    useCallback(
      (happened) => {
        if (mayAudit && happened.some((e) => e.connection_id === id && /^(connection|plan|drift)\./.test(e.type))) void client.invalidateQueries({ queryKey: auditQuery(id, true).queryKey });
      },
      [client, id, mayAudit],
    ),
  );
  const all = [syncs, drift, events, ...(mayAudit ? [audit] : [])];
  const lanes = useMemo(() => {
    const lane = (entries: (Entry | null)[] | undefined, more: boolean): Lane => ({ entries: (entries ?? []).filter((e) => e !== null), more });
    // The audit log says the same as the events of changes, and more.
    const audited = (e: Entry | null) => (mayAudit && e && e.kind !== 'health' ? null : e);
    return [
      lane(syncs.data?.pages.flatMap((p) => p.items.map(syncEntry)), syncs.hasNextPage),
      lane(drift.data?.pages.flatMap((p) => p.items.map(driftEntry)), drift.hasNextPage),
      lane(events.data?.pages.flatMap((p) => p.items.map((e) => audited(eventEntry(e)))), events.hasNextPage),
      lane(audit.data?.pages.flatMap((p) => p.items.map(auditEntry)), mayAudit && audit.hasNextPage),
    ];
  }, [mayAudit, syncs.data, syncs.hasNextPage, drift.data, drift.hasNextPage, events.data, events.hasNextPage, audit.data, audit.hasNextPage]);
  return {
    lanes,
    loading: all.some((q) => q.isPending),
    error: all.find((q) => q.error)?.error,
    refetch: () => all.forEach((q) => void q.refetch()),
    reading: all.some((q) => q.isFetchingNextPage),
    readMore: () => all.forEach(readMore),
  };
}

function Happened() {
  const c = useConnection();
  const [url] = useUrl();
  const { lanes, loading, error, refetch, reading, readMore } = useLanes(c.id);
  const { entries, more } = useMemo(() => merge(lanes), [lanes]);
  const wanted = listOf(url.show);
  const outcomes = listOf(url.outcome);
  const shown = entries.filter((e) => (wanted.length === 0 || wanted.includes(e.kind)) && (outcomes.length === 0 || outcomes.includes(e.sync?.outcome ?? e.sync?.state ?? '')));
  if (entries.length === 0 && loading) return <LoadingState />;
  if (entries.length === 0 && error) return <ErrorState error={error} onRetry={refetch} />;
  return (
    <>
      {error && <PartialNote onRetry={refetch}>Part of the timeline could not be read: {error.message}</PartialNote>}
      <Filters
        filters={[
          { name: 'show', label: 'Everything', options: kinds },
          { name: 'outcome', label: 'Outcome', options: [{ value: 'failed', label: 'Failed' }, { value: 'succeeded', label: 'Succeeded' }, { value: 'succeeded_with_warnings', label: 'With warnings' }, { value: 'rescheduled', label: 'Rescheduled' }, { value: 'cancelled', label: 'Cancelled' }] },
        ]}
      />
      {shown.length === 0 ? (
        <EmptyState title={entries.length === 0 ? 'Nothing has happened yet' : 'Nothing of this kind'}>{entries.length === 0 ? 'Syncs, changes, schema drift and incidents of this connection appear here as they happen.' : 'Among what has been read so far.'}</EmptyState>
      ) : (
        <Days entries={shown} />
      )}
      {more && (
        <Button mt="sm" variant="default" loading={reading} onClick={readMore}>
          Show older
        </Button>
      )}
    </>
  );
}

/** Entries under the day on which they happened, in the viewer's zone. */
function Days({ entries }: { entries: readonly Entry[] }) {
  const days = useMemo(() => {
    const out: { day: string; entries: Entry[] }[] = [];
    for (const e of entries) {
      const day = date(e.at);
      if (out.at(-1)?.day !== day) out.push({ day, entries: [] });
      out.at(-1)!.entries.push(e);
    }
    return out;
  }, [entries]);
  return days.map((d) => (
    <section key={d.day} className={classes.day}>
      <h3 className={classes.date}>{d.day === date(Date.now()) ? 'Today' : d.day}</h3>
      <ol className={classes.list}>
        {d.entries.map((e) => (
          <Item key={e.key} entry={e} />
        ))}
      </ol>
    </section>
  ));
}

function Item({ entry: e }: { entry: Entry }) {
  const c = useConnection();
  const [url, set] = useUrl();
  const open = url.entry === e.key;
  const changes = e.change ? fieldChanges(e.change.before, e.change.after) : [];
  const details = e.failure !== undefined || changes.length > 0 || e.drift !== undefined;
  return (
    <li className={classes.item}>
      <span className={classes.time}>
        <Time at={e.at} />
      </span>
      <StatusDot status={e.sync?.outcome ?? e.sync?.state ?? e.kind} tone={e.tone} />
      <div className={classes.what}>
        <div className={classes.line}>
          {e.sync ? (
            <Link to="/connections/$id/syncs/$sync" params={{ id: c.id, sync: e.sync.id }} className={classes.link}>
              {e.what}
            </Link>
          ) : (
            <span className={classes.title}>{e.what}</span>
          )}
          {e.failure && <code className={classes.code}>{e.failure.code}</code>}
          {e.more && <span className="dim">{e.more}</span>}
          {details && (
            <button type="button" className={classes.toggle} aria-expanded={open} onClick={() => set({ entry: open ? undefined : e.key })}>
              {open ? 'Less' : e.failure ? 'Why' : 'What changed'}
            </button>
          )}
        </div>
        {open && (
          <div className={classes.details}>
            {e.failure && <ErrorCard failure={e.failure} />}
            {changes.length > 0 && <ChangeTable changes={changes} />}
            {e.drift && (
              <>
                <DriftDetails drift={e.drift} />
                {e.drift.state === 'pending' && (
                  <Link to="/connections/$id/schema" params={{ id: c.id }}>
                    Decide
                  </Link>
                )}
              </>
            )}
          </div>
        )}
      </div>
    </li>
  );
}

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import type { Schemas } from '../../api/client';
import type { Event } from '../../api/events';
import { useEvents } from '../../app/live';
import { syncStreamsQuery } from './queries';

export type StreamCounters = Schemas['StreamCounters'];
type Moved = Schemas['StreamProgress'];

/** Counters with what events of progress of that sync say of each stream. Pure. */
export function moved(counters: readonly StreamCounters[], events: readonly Event[], sync: string): readonly StreamCounters[] {
  const latest = new Map<string, Moved>();
  for (const e of events) {
    if (e.type !== 'sync.progress' || e.sync_id !== sync) continue;
    for (const m of (e.data as { moved?: Moved[] }).moved ?? []) latest.set(`${m.namespace ?? ''}\n${m.name}`, m);
  }
  if (latest.size === 0) return counters;
  return counters.map((c) => {
    const m = latest.get(`${c.stream.namespace}\n${c.stream.name}`);
    return m ? { ...c, phase: m.phase, rows: m.rows, bytes: m.bytes, committed: m.committed, total: m.total ?? c.total } : c;
  });
}

/** Whether events tell of a stream that the counters do not have yet. */
export function unknownStream(counters: readonly StreamCounters[], events: readonly Event[], sync: string): boolean {
  const known = new Set(counters.map((c) => `${c.stream.namespace}\n${c.stream.name}`));
  return events.some((e) => e.type === 'sync.progress' && e.sync_id === sync && ((e.data as { moved?: Moved[] }).moved ?? []).some((m) => !known.has(`${m.namespace ?? ''}\n${m.name}`)));
}

/** The counters of a sync by stream, which move with its events of progress. */
export function useLiveStreams(sync: string) {
  const client = useQueryClient();
  const query = useQuery(syncStreamsQuery(sync));
  useEvents(
    useCallback(
      (events) => {
        const { queryKey } = syncStreamsQuery(sync);
        const now = client.getQueryData(queryKey);
        if (!now) return;
        if (unknownStream(now, events, sync)) void client.invalidateQueries({ queryKey }, { cancelRefetch: false });
        const next = moved(now, events, sync);
        if (next !== now) client.setQueryData(queryKey, [...next]);
      },
      [client, sync],
    ),
  );
  return query;
}

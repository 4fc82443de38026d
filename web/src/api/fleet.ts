import { queryOptions, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { useEvents } from '../app/live';
import { api, body, type Schemas } from './client';
import type { Event } from './events';
import { keys } from './keys';

export type FleetRow = Schemas['FleetRow'];
export type Fleet = Schemas['Fleet'];

/** All connections in one answer; useFleet keeps it as the events say. */
export const fleetQuery = queryOptions({
  queryKey: keys.list('fleet'),
  queryFn: ({ signal }) => body(api.GET('/api/v1/fleet', { signal })),
  refetchOnMount: 'always',
  // Comparing ten thousand rows with those before takes longer than drawing the thirty in sight.
  structuralSharing: false,
});

/** The last days of all connections, a letter for each day. */
export const fleetDaysQuery = (days = 30) =>
  queryOptions({
    queryKey: keys.list('fleet', { days }),
    queryFn: ({ signal }) => body(api.GET('/api/v1/fleet/days', { params: { query: { days } }, signal })),
    staleTime: 60_000,
  });

/** Milliseconds between two readings of rows that changed. */
const pace = 300;
/** More rows than this are read all at once: so many ids a request takes. */
const most = 200;

/** Connections that events changed in a way that their rows must be read anew. */
export function changedBy(events: readonly Event[]): string[] {
  const ids = new Set<string>();
  for (const e of events) if (e.connection_id && e.type !== 'sync.progress') ids.add(e.connection_id);
  return [...ids];
}

/** Rows with those that were read anew in their places; those that are gone left out, new ones last. */
export function mergeRows(rows: readonly FleetRow[], asked: readonly string[], fresh: readonly FleetRow[]): FleetRow[] {
  const byId = new Map(fresh.map((r) => [r.id, r]));
  const gone = new Set(asked.filter((id) => !byId.has(id)));
  const out: FleetRow[] = [];
  for (const r of rows) {
    const now = byId.get(r.id);
    if (now) {
      out.push(now);
      byId.delete(r.id);
    } else if (!gone.has(r.id)) out.push(r);
  }
  return byId.size > 0 ? [...out, ...byId.values()] : out;
}

async function reread(client: QueryClient, ids: string[]): Promise<void> {
  if (ids.length > most) {
    await client.invalidateQueries({ queryKey: fleetQuery.queryKey, exact: true });
    return;
  }
  try {
    const fresh = await body(api.GET('/api/v1/fleet', { params: { query: { id: ids } } }));
    client.setQueryData(fleetQuery.queryKey, (old) => old && { ...old, at: fresh.at, items: mergeRows(old.items, ids, fresh.items) });
  } catch {
    await client.invalidateQueries({ queryKey: fleetQuery.queryKey, exact: true });
  }
}

/** All connections, live: rows that events changed are read anew, a few times a second at most. */
export function useFleet() {
  const client = useQueryClient();
  const changed = useRef(new Set<string>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const flush = useCallback(() => {
    timer.current = undefined;
    const ids = [...changed.current];
    changed.current.clear();
    void reread(client, ids);
  }, [client]);
  useEvents(
    useCallback(
      (events) => {
        const ids = changedBy(events);
        ids.forEach((id) => changed.current.add(id));
        if (ids.length > 0) timer.current ??= setTimeout(flush, pace);
      },
      [flush],
    ),
  );
  useEffect(() => () => clearTimeout(timer.current), []);
  return useQuery(fleetQuery);
}

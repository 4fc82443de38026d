import { queryOptions, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, body, signedOut } from '../api/client';
import { EventStream, type Event, type StreamState } from '../api/events';
import { Live } from '../api/live';
import { progress } from '../api/progress';

/** The id of the latest event when the page began; null where there was none. */
export const lastEventQuery = queryOptions({
  queryKey: ['last-event'],
  queryFn: async () => {
    const page = await body(api.GET('/api/v1/events/history', { params: { query: { limit: 1 } } }));
    return page.items[0] ? String(page.items[0].id) : '0';
  },
  staleTime: Infinity,
  gcTime: Infinity,
  retry: 1,
});

const watchers = new Set<(events: readonly Event[]) => void>();

/** Calls a handler with events as they come, in their order, at most once per frame. */
export function useEvents(handler: (events: readonly Event[]) => void): void {
  useEffect(() => {
    watchers.add(handler);
    return () => void watchers.delete(handler);
  }, [handler]);
}

export interface Connection {
  state: StreamState;
  retryAt: number | null;
  retry: () => void;
}

function connect(client: QueryClient, onState: (state: StreamState, retryAt: number | null) => void): EventStream {
  const live = new Live(client);
  const stream = new EventStream({
    onEvents: (events) => {
      progress.apply(events);
      live.apply(events);
      watchers.forEach((w) => w(events));
    },
    onGap: () => live.refresh(),
    onState,
    onSignedOut: signedOut,
  });
  stream.start(client.getQueryData(lastEventQuery.queryKey) ?? null);
  return stream;
}

/** Keeps everything live while the shell is there, and says how the connection is. */
export function useLive(): Connection {
  const client = useQueryClient();
  const [at, setAt] = useState<Connection>({ state: 'connecting', retryAt: null, retry: () => {} });
  useEffect(() => {
    const stream = connect(client, (state, retryAt) => setAt((c) => ({ ...c, state, retryAt })));
    setAt((c) => ({ ...c, retry: stream.retry }));
    return () => stream.stop();
  }, [client]);
  return at;
}

import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body, bodyAndTag, type Schemas } from '../../api/client';
import { keys } from '../../api/keys';
import { nextPage } from '../../api/pages';
import type { paths } from '../../api/schema';

/** A connection with the tag that a change of it brings: see If-Match. */
export const taggedQuery = (connection: string) =>
  queryOptions({ queryKey: keys.one('connections', connection, 'tagged'), queryFn: ({ signal }) => bodyAndTag(api.GET('/api/v1/connections/{connection}', { params: { path: { connection } }, signal })) });

type SyncsQuery = NonNullable<paths['/api/v1/syncs']['get']['parameters']['query']>;

/** The syncs of a connection, the latest first, in pages. */
export const syncsQuery = (connection: string, more: Pick<SyncsQuery, 'outcome' | 'trigger' | 'limit'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('syncs', { connection, ...more }),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/syncs', { params: { query: { connection_id: connection, limit: 100, ...more, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const syncQuery = (sync: string) =>
  queryOptions({ queryKey: keys.one('syncs', sync), queryFn: ({ signal }) => body(api.GET('/api/v1/syncs/{sync}', { params: { path: { sync } }, signal })) });

export const syncStreamsQuery = (sync: string) =>
  queryOptions({ queryKey: keys.one('syncs', sync, 'streams'), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/syncs/{sync}/streams', { params: { path: { sync } }, signal }))).items });

export const daysQuery = (connection: string, days: number) =>
  queryOptions({ queryKey: keys.one('connections', connection, 'days', { days }), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/connections/{connection}/days', { params: { path: { connection }, query: { days } }, signal }))).items });

/** All streams that a connection could sync: with its settings and what the source offers. */
export const streamsQuery = (connection: string) =>
  queryOptions({
    queryKey: keys.one('connections', connection, 'streams'),
    queryFn: async ({ signal }) => {
      const all: Schemas['ConnectionStream'][] = [];
      for (let cursor = ''; ; ) {
        const page = await body(api.GET('/api/v1/connections/{connection}/streams', { params: { path: { connection }, query: { limit: 500, ...(cursor ? { cursor } : {}) } }, signal }));
        all.push(...page.items);
        if (!page.next) return all;
        cursor = page.next;
      }
    },
  });

/** The shapes of streams as the latest sync saw them. */
export const schemaQuery = (connection: string) =>
  queryOptions({ queryKey: keys.one('connections', connection, 'schema'), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/connections/{connection}/schema', { params: { path: { connection } }, signal }))).items });

/** The versions of a stream's shape, the latest first. */
export const schemaHistoryQuery = (connection: string, stream: Schemas['StreamName']) =>
  queryOptions({
    queryKey: keys.one('connections', connection, 'schema', 'history', stream),
    queryFn: async ({ signal }) => (await body(api.GET('/api/v1/connections/{connection}/schema/history', { params: { path: { connection }, query: { limit: 50, stream: stream.name, ...(stream.namespace ? { namespace: stream.namespace } : {}) } }, signal }))).items,
  });

type DriftQuery = NonNullable<paths['/api/v1/drift']['get']['parameters']['query']>;

export const driftQuery = (connection: string, more: Pick<DriftQuery, 'state' | 'limit'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('drift', { connection, ...more }),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/drift', { params: { query: { connection_id: connection, limit: 100, ...more, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const statesQuery = (connection: string) =>
  queryOptions({ queryKey: keys.one('connections', connection, 'state'), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/connections/{connection}/state', { params: { path: { connection } }, signal }))).items });

export const stateHistoryQuery = (connection: string, stream: Schemas['StreamName']) =>
  infiniteQueryOptions({
    queryKey: keys.one('connections', connection, 'state', 'history', { stream }),
    queryFn: ({ pageParam, signal }) =>
      body(api.GET('/api/v1/connections/{connection}/state/history', { params: { path: { connection }, query: { limit: 50, stream: stream.name, ...(stream.namespace ? { namespace: stream.namespace } : {}), ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const stateDiffQuery = (connection: string, from: number, to: number) =>
  queryOptions({
    queryKey: keys.one('connections', connection, 'state', 'diff', { from, to }),
    queryFn: ({ signal }) => body(api.GET('/api/v1/connections/{connection}/state/diff', { params: { path: { connection }, query: { from, to } }, signal })),
    staleTime: Infinity,
  });

/** What happens to a connection beside its syncs, which have a list of their own. */
const kinds = [
  'connection.create', 'connection.update', 'connection.pause', 'connection.resume', 'connection.sync', 'connection.cancel', 'connection.resync', 'connection.restore', 'connection.erase', 'connection.delayed',
  'incident.opened', 'incident.changed', 'incident.closed',
];

export const happenedQuery = (connection: string) =>
  infiniteQueryOptions({
    queryKey: keys.list('events', { connection }),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/events/history', { params: { query: { connection_id: connection, type: kinds, limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

/** Who changed a connection, with before and after: for those who may read the audit log. */
export const auditQuery = (connection: string, allowed: boolean) =>
  infiniteQueryOptions({
    queryKey: keys.list('audit', { connection }),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/audit', { params: { query: { object_id: connection, limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
    enabled: allowed,
  });

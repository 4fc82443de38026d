import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body, bodyAndTag, type Schemas } from './client';
import { keys } from './keys';
import { nextPage } from './pages';
import type { paths } from './schema';

/** What leaves the house goes to channels (messages) or trackers (tickets): both are set up alike. */
export type Side = 'channels' | 'trackers';
export type End = Schemas['End'];
export type EndKind = Schemas['EndKind'];

/** The calls of one side. */
export const sides = {
  channels: {
    kinds: () => api.GET('/api/v1/channel-kinds'),
    list: () => api.GET('/api/v1/channels', { params: { query: { limit: 500 } } }),
    get: (id: string) => api.GET('/api/v1/channels/{channel}', { params: { path: { channel: id } } }),
    create: (spec: Schemas['LinkSpec']) => api.POST('/api/v1/channels', { body: spec }),
    update: (id: string, etag: string, patch: Schemas['LinkPatch']) => api.PATCH('/api/v1/channels/{channel}', { params: { path: { channel: id }, header: { 'If-Match': etag } }, body: patch }),
    remove: (id: string) => api.DELETE('/api/v1/channels/{channel}', { params: { path: { channel: id } } }),
    test: (id: string) => api.POST('/api/v1/channels/{channel}/test', { params: { path: { channel: id } } }),
  },
  trackers: {
    kinds: () => api.GET('/api/v1/tracker-kinds'),
    list: () => api.GET('/api/v1/trackers', { params: { query: { limit: 500 } } }),
    get: (id: string) => api.GET('/api/v1/trackers/{tracker}', { params: { path: { tracker: id } } }),
    create: (spec: Schemas['LinkSpec']) => api.POST('/api/v1/trackers', { body: spec }),
    update: (id: string, etag: string, patch: Schemas['LinkPatch']) => api.PATCH('/api/v1/trackers/{tracker}', { params: { path: { tracker: id }, header: { 'If-Match': etag } }, body: patch }),
    remove: (id: string) => api.DELETE('/api/v1/trackers/{tracker}', { params: { path: { tracker: id } } }),
    test: (id: string) => api.POST('/api/v1/trackers/{tracker}/test', { params: { path: { tracker: id } } }),
  },
} as const;

/** Trackers are kept with the channels: what makes one stale makes the other. */
export const endsQuery = (side: Side) => queryOptions({ queryKey: keys.list('channels', { side }), queryFn: async () => (await body(sides[side].list())).items });

export const endQuery = (side: Side, id: string) => queryOptions({ queryKey: keys.one('channels', id, side), queryFn: () => bodyAndTag(sides[side].get(id)) });

export const endKindsQuery = (side: Side) => queryOptions({ queryKey: keys.list('channels', { side, kinds: true }), queryFn: async () => (await body(sides[side].kinds())).items, staleTime: Infinity });

export type DeliveriesQuery = NonNullable<paths['/api/v1/deliveries']['get']['parameters']['query']>;

export const deliveriesQuery = (query: Omit<DeliveriesQuery, 'cursor'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('channels', { deliveries: true, ...query }),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/deliveries', { params: { query: { limit: 100, ...query, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const policyQuery = queryOptions({ queryKey: keys.list('settings', { healthPolicy: true }), queryFn: ({ signal }) => bodyAndTag(api.GET('/api/v1/health/policy', { signal })) });

export const onCallQuery = queryOptions({ queryKey: keys.list('rota', { now: true }), queryFn: ({ signal }) => body(api.GET('/api/v1/on-call', { signal })), refetchInterval: 60_000 });

export const rotasQuery = queryOptions({ queryKey: keys.list('rota'), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/rotas', { params: { query: { limit: 200 } }, signal }))).items });

export const shiftsQuery = (rota: string, from: string, to: string) =>
  queryOptions({ queryKey: keys.one('rota', rota, 'shifts', { from, to }), queryFn: ({ signal }) => body(api.GET('/api/v1/rotas/{rota}/shifts', { params: { path: { rota }, query: { from, to } }, signal })) });

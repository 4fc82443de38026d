import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body, bodyAndTag, type Schemas } from './client';
import { keys } from './keys';
import { nextPage } from './pages';
import type { paths } from './schema';

export type Incident = Schemas['Incident'];
export type IncidentsQuery = NonNullable<paths['/api/v1/incidents']['get']['parameters']['query']>;

const page = (cursor: string) => (cursor ? { cursor } : {});

/** How many connections and incidents are how. */
export const healthQuery = queryOptions({ queryKey: keys.list('incidents', { summary: true }), queryFn: ({ signal }) => body(api.GET('/api/v1/health', { signal })) });

export const incidentsQuery = (query: Omit<IncidentsQuery, 'cursor'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('incidents', query),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/incidents', { params: { query: { limit: 100, ...query, ...page(pageParam) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

/** An incident, by its id or number, with the tag that a change of it brings. */
export const incidentQuery = (incident: string) =>
  queryOptions({ queryKey: keys.one('incidents', incident), queryFn: ({ signal }) => bodyAndTag(api.GET('/api/v1/incidents/{incident}', { params: { path: { incident } }, signal })) });

export const incidentConnectionsQuery = (incident: string) =>
  infiniteQueryOptions({
    queryKey: keys.one('incidents', incident, 'connections'),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/incidents/{incident}/connections', { params: { path: { incident }, query: { limit: 200, ...page(pageParam) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const incidentTimelineQuery = (incident: string) =>
  infiniteQueryOptions({
    queryKey: keys.one('incidents', incident, 'timeline'),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/incidents/{incident}/timeline', { params: { path: { incident }, query: { limit: 100, sort: '-at', ...page(pageParam) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

/** The review of an incident; null where nobody has written one. */
export const reviewQuery = (incident: string) =>
  queryOptions({
    queryKey: keys.one('incidents', incident, 'review'),
    queryFn: async ({ signal }) => {
      try {
        return await bodyAndTag(api.GET('/api/v1/incidents/{incident}/review', { params: { path: { incident } }, signal }));
      } catch (e) {
        if (e instanceof Error && 'status' in e && e.status === 404) return null;
        throw e;
      }
    },
  });

export type TicketsQuery = NonNullable<paths['/api/v1/tickets']['get']['parameters']['query']>;

export const ticketsQuery = (query: Omit<TicketsQuery, 'cursor'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('tickets', query),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/tickets', { params: { query: { limit: 100, ...query, ...page(pageParam) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const ticketQuery = (ticket: string) =>
  queryOptions({ queryKey: keys.one('tickets', ticket), queryFn: ({ signal }) => body(api.GET('/api/v1/tickets/{ticket}', { params: { path: { ticket } }, signal })) });

export const wallQuery = queryOptions({ queryKey: keys.list('wall'), queryFn: ({ signal }) => body(api.GET('/api/v1/wall', { signal })) });

export const wallMessageQuery = queryOptions({ queryKey: keys.list('wall', { message: true }), queryFn: ({ signal }) => body(api.GET('/api/v1/wall/message', { signal })) });

export const wallSettingsQuery = queryOptions({ queryKey: keys.list('wall', { settings: true }), queryFn: ({ signal }) => bodyAndTag(api.GET('/api/v1/wall/settings', { signal })) });

export type ReportQuery = NonNullable<paths['/api/v1/health/report']['get']['parameters']['query']>;

export const reportQuery = (query: ReportQuery) =>
  queryOptions({ queryKey: keys.list('stats', { report: true, ...query }), queryFn: ({ signal }) => body(api.GET('/api/v1/health/report', { params: { query }, signal })), staleTime: 60_000 });

/** All runbooks: what they are about, without their texts. */
export const runbooksQuery = queryOptions({
  queryKey: keys.list('runbooks'),
  queryFn: async ({ signal }) => {
    const all: Schemas['RunbookHead'][] = [];
    for (let cursor = ''; ; ) {
      const got = await body(api.GET('/api/v1/runbooks', { params: { query: { limit: 500, ...page(cursor) } }, signal }));
      all.push(...got.items);
      if (!got.next) return all;
      cursor = got.next;
    }
  },
  staleTime: 5 * 60_000,
});

export const runbookQuery = (runbook: string) =>
  queryOptions({ queryKey: keys.one('runbooks', runbook), queryFn: ({ signal }) => body(api.GET('/api/v1/runbooks/{runbook}', { params: { path: { runbook } }, signal })), staleTime: 5 * 60_000 });

export type AlertsQuery = NonNullable<paths['/api/v1/alerts']['get']['parameters']['query']>;

export const alertsQuery = (query: Omit<AlertsQuery, 'cursor'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('alerts', query),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/alerts', { params: { query: { limit: 100, ...query, ...page(pageParam) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

/** All rules of alerts. */
export const alertRulesQuery = queryOptions({
  queryKey: keys.list('alerts', { rules: true }),
  queryFn: async ({ signal }) => (await body(api.GET('/api/v1/alert-rules', { params: { query: { limit: 500 } }, signal }))).items,
});

export const alertRoutesQuery = queryOptions({ queryKey: keys.list('alerts', { routes: true }), queryFn: ({ signal }) => bodyAndTag(api.GET('/api/v1/alert-routes', { signal })) });

export const silencesQuery = (ended: boolean) =>
  queryOptions({
    queryKey: keys.list('silences', { ended }),
    queryFn: async ({ signal }) => (await body(api.GET('/api/v1/silences', { params: { query: { limit: 200, ended } }, signal }))).items,
  });

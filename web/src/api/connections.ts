import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body, type Schemas } from './client';
import { keys } from './keys';
import { nextPage } from './pages';
import type { paths } from './schema';

export type Connection = Schemas['Connection'];
export type ConnectionStatus = Schemas['Status'];
export type ConnectionsQuery = NonNullable<paths['/api/v1/connections']['get']['parameters']['query']>;

/** Pages of connections; the next one is read by the cursor of the one before. */
export const connectionsQuery = (query: Omit<ConnectionsQuery, 'cursor'> = {}) =>
  infiniteQueryOptions({
    queryKey: keys.list('connections', query),
    queryFn: ({ pageParam, signal }) => body(api.GET('/api/v1/connections', { params: { query: { limit: 500, ...query, ...(pageParam ? { cursor: pageParam } : {}) } }, signal })),
    initialPageParam: '',
    getNextPageParam: nextPage,
  });

export const connectionQuery = (id: string) =>
  queryOptions({ queryKey: keys.one('connections', id), queryFn: ({ signal }) => body(api.GET('/api/v1/connections/{connection}', { params: { path: { connection: id } }, signal })) });

import { queryOptions } from '@tanstack/react-query';
import { api, body } from './client';
import { keys } from './keys';

export const systemQuery = queryOptions({ queryKey: keys.list('system'), queryFn: ({ signal }) => body(api.GET('/api/v1/system', { signal })) });
export const queueQuery = queryOptions({ queryKey: keys.list('queue'), queryFn: ({ signal }) => body(api.GET('/api/v1/queue', { signal })) });
export const regionsQuery = queryOptions({ queryKey: keys.list('regions'), queryFn: ({ signal }) => body(api.GET('/api/v1/regions', { signal })) });
export const workersQuery = queryOptions({ queryKey: keys.list('workers'), queryFn: ({ signal }) => body(api.GET('/api/v1/workers', { params: { query: { limit: 500 } }, signal })) });

import { queryOptions } from '@tanstack/react-query';
import { api, body, bodyAndTag, type Schemas } from '../../../api/client';
import { keys } from '../../../api/keys';
import type { JsonSchema } from './schema';

/** A source and a destination are set up in the same way: settings, a check, a name. */
export type Role = 'source' | 'destination';
export type Endpoint = Schemas['Source'] | Schemas['Destination'];
export type Kind = Schemas['Connector'] & { schema: JsonSchema };
type Spec = Schemas['EndpointSpec'];
type Patch = Schemas['EndpointPatch'];
type Operation = Schemas['Operation'];

export const noun: Record<Role, string> = { source: 'source', destination: 'destination' };

export const kindsQuery = (role: Role) =>
  queryOptions({
    queryKey: keys.list(role === 'source' ? 'connectors' : 'destination-kinds'),
    queryFn: async ({ signal }) => {
      const all = await (role === 'source' ? body(api.GET('/api/v1/connectors', { signal })) : body(api.GET('/api/v1/destination-kinds', { signal })));
      return all.items;
    },
    staleTime: 5 * 60_000,
  });

/** All sources, or all destinations: what one chooses from, so all pages are read. */
export const endpointsQuery = (role: Role) =>
  queryOptions({
    queryKey: keys.list(role === 'source' ? 'sources' : 'destinations', { all: true }),
    queryFn: async ({ signal }) => {
      const items: Endpoint[] = [];
      let cursor: string | undefined;
      do {
        const query = { limit: 500, ...(cursor ? { cursor } : {}) };
        const page = role === 'source' ? await body(api.GET('/api/v1/sources', { params: { query }, signal })) : await body(api.GET('/api/v1/destinations', { params: { query }, signal }));
        items.push(...page.items);
        cursor = page.next ?? undefined;
      } while (cursor);
      return items;
    },
  });

export const endpointQuery = (role: Role, id: string) =>
  queryOptions({
    queryKey: keys.one(role === 'source' ? 'sources' : 'destinations', id),
    queryFn: async ({ signal }): Promise<{ value: Endpoint; etag: string }> =>
      role === 'source'
        ? bodyAndTag(api.GET('/api/v1/sources/{source}', { params: { path: { source: id } }, signal }))
        : bodyAndTag(api.GET('/api/v1/destinations/{destination}', { params: { path: { destination: id } }, signal })),
    enabled: id !== '',
  });

export const createEndpoint = (role: Role, spec: Spec): Promise<Endpoint> => (role === 'source' ? body(api.POST('/api/v1/sources', { body: spec })) : body(api.POST('/api/v1/destinations', { body: spec })));

/** Changes what is given, if nobody has changed it since it was read. */
export const patchEndpoint = (role: Role, id: string, patch: Patch, etag: string): Promise<Endpoint> => {
  const header = etag ? { 'If-Match': etag } : {};
  return role === 'source'
    ? body(api.PATCH('/api/v1/sources/{source}', { params: { path: { source: id }, header }, body: patch }))
    : body(api.PATCH('/api/v1/destinations/{destination}', { params: { path: { destination: id }, header }, body: patch }));
};

export const deleteEndpoint = async (role: Role, id: string): Promise<void> => {
  await (role === 'source' ? api.DELETE('/api/v1/sources/{source}', { params: { path: { source: id } } }) : api.DELETE('/api/v1/destinations/{destination}', { params: { path: { destination: id } } }));
};

/** Tries settings that are not kept; secrets left out are those of the object with that id. */
export const checkSettings = (role: Role, spec: Spec, id?: string): Promise<Operation> => {
  const params = { query: id ? { id } : {} };
  return role === 'source' ? body(api.POST('/api/v1/sources/check', { params, body: spec })) : body(api.POST('/api/v1/destinations/check', { params, body: spec }));
};

/** Tries the settings that are kept, and keeps what comes out as its state. */
export const checkKept = (role: Role, id: string): Promise<Operation> =>
  role === 'source' ? body(api.POST('/api/v1/sources/{source}/check', { params: { path: { source: id } } })) : body(api.POST('/api/v1/destinations/{destination}/check', { params: { path: { destination: id } } }));

export const cancelOperation = (id: string): Promise<unknown> => api.POST('/api/v1/operations/{operation}/cancel', { params: { path: { operation: id } } });

/** An operation, read again while it runs: no event tells of its progress. */
export const operationQuery = (id: string) =>
  queryOptions({
    queryKey: keys.one('operations', id),
    queryFn: ({ signal }) => body(api.GET('/api/v1/operations/{operation}', { params: { path: { operation: id } }, signal })),
    enabled: id !== '',
    refetchInterval: (q) => (q.state.data?.state === 'running' || !q.state.data ? 400 : false),
  });

/** Follows an operation to its end. */
export async function follow(id: string, onProgress: (o: Operation) => void, signal: AbortSignal): Promise<Operation> {
  for (let wait = 120; ; wait = Math.min(wait * 1.5, 600)) {
    await pause(wait, signal);
    const o = await body(api.GET('/api/v1/operations/{operation}', { params: { path: { operation: id } }, signal }));
    signal.throwIfAborted();
    onProgress(o);
    if (o.state !== 'running') return o;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    if (signal.aborted) return gone();
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', gone);
      resolve();
    }, ms);
    signal.addEventListener('abort', gone, { once: true });
  });
}

/** A name that no other has: `shop`, `shop 2`. */
export function freeName(wanted: string, taken: readonly string[]): string {
  const used = new Set(taken.map((t) => t.toLowerCase()));
  for (let i = 1; ; i++) {
    const name = i === 1 ? wanted : `${wanted} ${i}`;
    if (!used.has(name.toLowerCase())) return name;
  }
}

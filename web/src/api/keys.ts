/**
 * Keys of the query cache. The first part is the resource, the second `list` or
 * `one`; events make resources stale by these parts, so all queries use them.
 */
export const keys = {
  me: ['me'] as const,
  list: (resource: Resource, params: object = {}) => [resource, 'list', params] as const,
  one: (resource: Resource, id: string, ...more: (string | object)[]) => [resource, 'one', id, ...more] as const,
};

export type Resource =
  | 'alerts' | 'audit' | 'channels' | 'connections' | 'connectors' | 'destination-kinds' | 'destinations' | 'drift' | 'events'
  | 'fleet' | 'grants' | 'incidents' | 'operations' | 'plans' | 'queue' | 'regions' | 'rota' | 'runbooks' | 'sessions' | 'settings'
  | 'silences' | 'sources' | 'syncs' | 'system' | 'tickets' | 'tokens' | 'users' | 'wall' | 'workers' | 'stats' | 'sign-in';

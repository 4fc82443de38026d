import { queryOptions } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';
import { keys } from '../../api/keys';

export type Role = Schemas['User']['role'];
export const roles: { value: Role; label: string; means: string }[] = [
  { value: 'viewer', label: 'Viewer', means: 'Sees everything, changes nothing.' },
  { value: 'operator', label: 'Operator', means: 'Also starts, stops and pauses syncs.' },
  { value: 'admin', label: 'Admin', means: 'Also sets up, changes and deletes, and manages people.' },
  { value: 'owner', label: 'Owner', means: 'Also makes other owners.' },
];
export const roleWord = (role: string): string => roles.find((r) => r.value === role)?.label ?? role;

/** The roles that someone may give: never more than their own. */
export const rolesUpTo = (role: Role) => roles.slice(0, roles.findIndex((r) => r.value === role) + 1);

/** All accounts: there are hundreds at most. */
export const usersQuery = queryOptions({
  queryKey: keys.list('users'),
  queryFn: async ({ signal }) => {
    const items: Schemas['User'][] = [];
    let cursor: string | undefined;
    do {
      const page = await body(api.GET('/api/v1/users', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } }, signal }));
      items.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor);
    return items;
  },
});

export const userQuery = (id: string) => queryOptions({ queryKey: keys.one('users', id), queryFn: ({ signal }) => body(api.GET('/api/v1/users/{user}', { params: { path: { user: id } }, signal })) });

export const tokensQuery = (query: { all?: boolean; user_id?: string }) =>
  queryOptions({ queryKey: keys.list('tokens', query), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/tokens', { params: { query: { limit: 500, ...query } }, signal }))).items });

export const grantsQuery = (user: string) => queryOptions({ queryKey: keys.list('grants', { user }), queryFn: async ({ signal }) => (await body(api.GET('/api/v1/users/{user}/grants', { params: { path: { user } }, signal }))).items });

/** Names of connections by their ids, for choosing and showing. */
export const namesQuery = queryOptions({
  queryKey: ['connections', 'names-by-id'],
  queryFn: async ({ signal }) => {
    const out = new Map<string, string>();
    let cursor: string | undefined;
    do {
      const page = await body(api.GET('/api/v1/connections', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } }, signal }));
      for (const c of page.items) out.set(c.id, c.name);
      cursor = page.next ?? undefined;
    } while (cursor);
    return out;
  },
  staleTime: 60_000,
});

import { queryOptions, useSuspenseQuery } from '@tanstack/react-query';
import { api, body, setCsrfToken, type Schemas } from './client';
import { keys } from './keys';

export type Me = Schemas['Me'];
export type Permission = Me['permissions'][number];

export const meQuery = queryOptions({
  queryKey: keys.me,
  queryFn: async () => {
    const me = await body(api.GET('/api/v1/auth/me'));
    setCsrfToken(me.csrf_token);
    return me;
  },
  staleTime: 5 * 60_000,
  retry: false,
});

export const signInQuery = queryOptions({ queryKey: keys.list('sign-in'), queryFn: () => body(api.GET('/api/v1/auth')) });

/** Who is signed in. Pages inside the shell have it at once. */
export function useMe(): Me {
  return useSuspenseQuery(meQuery).data;
}

const rank = { viewer: ['read'], operator: ['read', 'run'], admin: ['read', 'run', 'edit', 'destroy', 'audit', 'manage', 'inspect'], owner: ['read', 'run', 'edit', 'destroy', 'audit', 'manage', 'inspect', 'own'] };

/** Whether someone may do something: everywhere, or by a grant on one connection. */
export function may(me: Me, permission: Permission, connectionId?: string): boolean {
  if (connectionId && me.connections?.length && !me.connections.includes(connectionId)) return false;
  if (me.permissions.includes(permission)) return true;
  const granted = connectionId ? me.grants?.[connectionId] : undefined;
  return granted !== undefined && ['read', 'run', 'edit', 'destroy'].includes(permission) && (rank[granted as keyof typeof rank] ?? []).includes(permission);
}

/** Whether the viewer may do something. Actions that one may not do are not shown. */
export function useMay(permission: Permission, connectionId?: string): boolean {
  return may(useMe(), permission, connectionId);
}

import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import type { QueryClient } from '@tanstack/react-query';
import { asApiError } from '../api/client';
import { meQuery } from '../api/me';
import { Failed, NotFound, Pending } from './Fallbacks';
import { Shell } from './Shell';
import { lastEventQuery } from './live';

/** The search of an address: texts by name. Pages read theirs with useUrl. */
export type Search = Record<string, string | undefined>;

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  validateSearch: (raw: Record<string, unknown>): Search => Object.fromEntries(Object.entries(raw).map(([k, v]) => [k, String(v)])),
  notFoundComponent: NotFound,
});

const open = <const P extends string>(path: P, load: () => Promise<{ Page: () => React.ReactNode }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load, 'Page') });

const signIn = open('/sign-in', () => import('../pages/account/SignIn'));
const claim = open('/claim', () => import('../pages/account/Claim'));
const password = open('/password', () => import('../pages/account/Password'));

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    try {
      // Where events are now, before anything is read: what changes after is told.
      await Promise.all([context.queryClient.ensureQueryData(meQuery), context.queryClient.ensureQueryData(lastEventQuery)]);
    } catch (cause) {
      if (asApiError(cause).status !== 401) throw cause;
      throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { to: location.href } });
    }
  },
});

type Load = () => Promise<{ Page: () => React.ReactNode }>;
const inShell = <const P extends string>(path: P, load: Load) => createRoute({ getParentRoute: () => shell, path, component: lazyRouteComponent(load, 'Page') });
const flight = inShell('/', () => import('../pages/flight/Flight'));
const connections = inShell('/connections', () => import('../pages/connections/Connections'));
const setup = inShell('/setup', () => import('../pages/setup/Setup'));
const sources = inShell('/sources', () => import('../pages/setup/Sources'));
const source = inShell('/sources/$id', () => import('../pages/setup/Source'));
const destinations = inShell('/destinations', () => import('../pages/setup/Destinations'));
const destination = inShell('/destinations/$id', () => import('../pages/setup/Destination'));
const catalogue = inShell('/catalogue', () => import('../pages/catalogue/Catalogue'));
const entry = inShell('/catalogue/$role/$kind', () => import('../pages/catalogue/Entry'));
const system = inShell('/system', () => import('../pages/system/System'));
const account = inShell('/account', () => import('../pages/account/Account'));

const connection = inShell('/connections/$id', () => import('../pages/connection/Layout'));
const ofConnection = <const P extends string>(path: P, load: Load) => createRoute({ getParentRoute: () => connection, path, component: lazyRouteComponent(load, 'Page') });
const connectionTabs = [
  createRoute({ getParentRoute: () => connection, path: '/', beforeLoad: ({ params }) => { throw redirect({ to: '/connections/$id/timeline', params, replace: true }); } }),
  ofConnection('timeline', () => import('../pages/connection/Timeline')),
  ofConnection('charts', () => import('../pages/connection/Charts')),
  ofConnection('streams', () => import('../pages/connection/Streams')),
  ofConnection('schema', () => import('../pages/connection/Schema')),
  ofConnection('state', () => import('../pages/connection/State')),
  ofConnection('syncs', () => import('../pages/connection/Syncs')),
  ofConnection('syncs/$sync', () => import('../pages/connection/Sync')),
  ofConnection('logs', () => import('../pages/connection/Logs')),
  ofConnection('settings', () => import('../pages/connection/Settings')),
] as const;

const health = inShell('/health', () => import('../pages/health/Layout'));
const ofHealth = <const P extends string>(path: P, load: Load) => createRoute({ getParentRoute: () => health, path, component: lazyRouteComponent(load, 'Page') });
const healthTabs = [
  createRoute({ getParentRoute: () => health, path: '/', beforeLoad: () => { throw redirect({ to: '/health/incidents', replace: true }); } }),
  ofHealth('incidents', () => import('../pages/health/Incidents')),
  ofHealth('incidents/$id', () => import('../pages/health/Incident')),
  ofHealth('tickets', () => import('../pages/health/Tickets')),
  ofHealth('tickets/$id', () => import('../pages/health/Ticket')),
  ofHealth('wall', () => import('../pages/health/Wall')),
  ofHealth('alerts', () => import('../pages/health/Alerts')),
  ofHealth('channels', () => import('../pages/health/Channels')),
  ofHealth('silences', () => import('../pages/health/Silences')),
  ofHealth('rota', () => import('../pages/health/Rota')),
  ofHealth('runbooks', () => import('../pages/health/Runbooks')),
  ofHealth('runbooks/$id', () => import('../pages/health/Runbook')),
  ofHealth('downtime', () => import('../pages/health/Downtime')),
  ofHealth('policy', () => import('../pages/health/Policy')),
] as const;

const people = inShell('/people', () => import('../pages/people/Layout'));
const ofPeople = <const P extends string>(path: P, load: Load) => createRoute({ getParentRoute: () => people, path, component: lazyRouteComponent(load, 'Page') });
const peopleTabs = [
  createRoute({ getParentRoute: () => people, path: '/', beforeLoad: () => { throw redirect({ to: '/people/users', replace: true }); } }),
  ofPeople('users', () => import('../pages/people/Users')),
  ofPeople('users/$id', () => import('../pages/people/User')),
  ofPeople('tokens', () => import('../pages/people/Tokens')),
  ofPeople('audit', () => import('../pages/people/Audit')),
] as const;

const tree = root.addChildren([
  signIn, claim, password,
  shell.addChildren([
    flight, connections, setup, sources, source, destinations, destination, catalogue, entry, system, account,
    connection.addChildren(connectionTabs), health.addChildren(healthTabs), people.addChildren(peopleTabs),
  ]),
]);

/** Addresses are texts, as people write them: no JSON, no quotes. */
const parseSearch = (text: string): Search => Object.fromEntries(new URLSearchParams(text));
const stringifySearch = (search: Search): string => {
  const set = Object.entries(search).filter((e): e is [string, string] => e[1] !== undefined && e[1] !== '');
  return set.length > 0 ? `?${new URLSearchParams(set).toString()}` : '';
};

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queryClient },
    parseSearch,
    stringifySearch: stringifySearch as (search: Record<string, unknown>) => string,
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    defaultPendingComponent: Pending,
    defaultPendingMs: 150,
    defaultErrorComponent: Failed,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

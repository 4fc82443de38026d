import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from './client';
import type { Event } from './events';
import { keys, type Resource } from './keys';

/** Which resources an event of a kind (the part before the dot) makes stale. */
const stale: Record<string, Resource[]> = {
  sync: ['syncs', 'events', 'queue', 'regions', 'workers', 'system'],
  connection: ['events', 'drift'],
  source: ['sources', 'events'],
  destination: ['destinations', 'events'],
  operation: ['operations', 'events'],
  plan: ['plans', 'events'],
  drift: ['drift', 'events'],
  state: ['events'],
  health: ['wall', 'stats', 'events'],
  incident: ['incidents', 'tickets', 'wall', 'events'],
  ticket: ['tickets', 'wall', 'events'],
  alert: ['alerts', 'events'],
  alarm: ['alerts', 'events'],
  channel: ['channels'],
  delivery: ['channels'],
  silence: ['silences', 'alerts'],
  rota: ['rota'],
  runbook: ['runbooks'],
  user: ['users', 'audit'],
  token: ['tokens', 'audit'],
  grant: ['grants', 'audit'],
  session: ['sessions'],
  worker: ['workers', 'regions', 'system'],
};

/** What only counts: it is read anew less often. */
const counted: ReadonlySet<Resource> = new Set(['queue', 'regions', 'workers', 'system', 'wall']);
const slowPace = 2500;

/** Connections that are read one by one after events; more are read as lists. */
const oneByOne = 24;
/** Milliseconds between two readings of what is stale. */
const pace = 400;

/**
 * Keeps the query cache as the events say: connections that changed are read anew
 * and put into every list that has them; other resources become stale, which reads
 * anew what is shown. At most once per pace, whatever the number of events.
 */
export class Live {
  #client: QueryClient;
  #connections = new Set<string>();
  #resources = new Set<Resource>();
  #slow = new Set<Resource>();
  #slowTimer: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: QueryClient) {
    this.#client = client;
  }

  apply(events: readonly Event[]): void {
    for (const e of events) {
      if (e.type === 'sync.progress') continue;
      for (const r of stale[e.type.split('.', 1)[0] ?? ''] ?? []) (counted.has(r) ? this.#slow : this.#resources).add(r);
      if (e.type === 'connection.create' || e.type === 'connection.delete') this.#resources.add('connections');
      else if (e.connection_id) this.#connections.add(e.connection_id);
    }
    if (this.#slow.size > 0) this.#slowTimer ??= setTimeout(this.#flushSlow, slowPace);
    if (this.#connections.size + this.#resources.size === 0) return;
    this.#timer ??= setTimeout(this.#flush, pace);
  }

  /** Everything is read anew. */
  refresh(): void {
    void this.#client.invalidateQueries();
  }

  #flushSlow = (): void => {
    this.#slowTimer = undefined;
    for (const r of this.#slow) void this.#client.invalidateQueries({ queryKey: [r] });
    this.#slow.clear();
  };

  #flush = (): void => {
    this.#timer = undefined;
    const connections = [...this.#connections];
    const resources = [...this.#resources];
    this.#connections.clear();
    this.#resources.clear();
    for (const r of resources) void this.#client.invalidateQueries({ queryKey: [r] });
    if (connections.length > oneByOne || resources.includes('connections')) {
      void this.#client.invalidateQueries({ queryKey: ['connections'] });
      return;
    }
    for (const id of connections) void this.#reread(id);
  };

  async #reread(id: string): Promise<void> {
    // What hangs on it (its state, its streams): stale, read where it is shown.
    void this.#client.invalidateQueries({ queryKey: ['connections', 'one', id] });
    if (!this.#client.getQueryCache().findAll({ queryKey: ['connections', 'list'] }).some((q) => q.isActive())) return;
    try {
      putConnection(this.#client, await body(api.GET('/api/v1/connections/{connection}', { params: { path: { connection: id } } })));
    } catch {
      // It is gone, or no longer ours to see: the lists say so.
      void this.#client.invalidateQueries({ queryKey: ['connections', 'list'] });
    }
  }
}

type Pages = InfiniteData<{ items: Schemas['Connection'][] }>;

/** Puts a connection, as the server has just answered it, into every list that has it. */
export function putConnection(client: QueryClient, c: Schemas['Connection']): void {
  const swap = <T extends { items: Schemas['Connection'][] }>(page: T): T =>
    page.items.some((i) => i.id === c.id) ? { ...page, items: page.items.map((i) => (i.id === c.id ? c : i)) } : page;
  client.setQueriesData<Pages | { items: Schemas['Connection'][] }>({ queryKey: ['connections', 'list'] }, (old) => {
    if (!old) return old;
    return 'pages' in old ? { ...old, pages: old.pages.map(swap) } : swap(old);
  });
  client.setQueryData(keys.one('connections', c.id), c);
}

import type { Schemas } from '../../../api/client';
import { streamName } from '../../../ui/format';

export type Offered = Schemas['OfferedStream'];
type Spec = Schemas['StreamSpec'];
export type Read = NonNullable<Spec['mode']>;
export type Write = NonNullable<Spec['write']>;
/** What is set of a stream beyond what suits it by itself. */
export type Settings = Pick<Spec, 'mode' | 'write' | 'cursor' | 'primary_key' | 'exclude' | 'hash'>;

/**
 * Which streams are synced, and how. With `all`, streams that the source adds later
 * come, too, and `keys` are those left out; without, `keys` are those that are synced.
 */
export interface Choice {
  all: boolean;
  keys: string[];
  settings: Record<string, Settings>;
}

export const everything: Choice = { all: true, keys: [], settings: {} };

/** One text per stream: names may hold dots. */
export const keyOf = (s: { namespace?: string; name: string }): string => `${s.namespace ?? ''}\u0000${s.name}`;

/** The keys of the streams that are synced. */
export function selectedKeys(choice: Choice, streams: readonly Offered[]): Set<string> {
  const named = new Set(choice.keys);
  return new Set(streams.map(keyOf).filter((k) => named.has(k) !== choice.all));
}

/** The choice with these streams selected or not. */
export function select(choice: Choice, keys: readonly string[], on: boolean): Choice {
  const named = new Set(choice.keys);
  for (const k of keys) {
    if (on !== choice.all) named.add(k);
    else named.delete(k);
  }
  return { ...choice, keys: [...named] };
}

/** The same streams; those that come later are synced, or not. */
export function withLater(choice: Choice, streams: readonly Offered[], all: boolean): Choice {
  if (choice.all === all) return choice;
  const on = selectedKeys(choice, streams);
  return { ...choice, all, keys: streams.map(keyOf).filter((k) => on.has(k) !== all) };
}

/** The choice with settings of streams changed; what is as it would be by itself is forgotten. */
export function change(choice: Choice, keys: readonly string[], change: Settings): Choice {
  const settings = { ...choice.settings };
  for (const k of keys) {
    const next = Object.fromEntries(Object.entries({ ...settings[k], ...change }).filter(([, v]) => v !== undefined && !(Array.isArray(v) && v.length === 0)));
    if (Object.keys(next).length > 0) settings[k] = next;
    else delete settings[k];
  }
  return { ...choice, settings };
}

/** How a stream is read and written: as set, and else as the server will decide. */
export function effective(s: Offered, set: Settings | undefined): { mode: Read; write: Write; cursor: string | undefined; key: string[] } {
  const mode = set?.mode ?? (set?.cursor ? 'incremental' : ((s.modes[0] ?? 'full_refresh') as Read));
  const key = set?.primary_key ?? s.key ?? [];
  const write = set?.write ?? (mode === 'full_refresh' ? 'replace' : key.length > 0 ? 'merge' : 'append');
  return { mode, write, cursor: mode === 'incremental' ? (set?.cursor ?? s.cursors?.[0]) : undefined, key };
}

/** How rows can be written that are read so: keyed ways need a key, replacing needs all rows. */
export function writesFor(mode: Read, key: readonly string[]): Write[] {
  return (['merge', 'soft_delete', 'history', 'append', 'replace'] as const).filter((w) => (w === 'replace' ? mode === 'full_refresh' : w === 'append' || key.length > 0));
}

export const reads: Record<Read, { word: string; means: string }> = {
  incremental: { word: 'Only changes', means: 'Reads what is new or changed since the last sync, by a column that grows.' },
  cdc: { word: 'Change log', means: 'Follows the database’s log: every change comes, deletes too, at little cost to the source.' },
  full_refresh: { word: 'Everything', means: 'Reads the whole stream anew, each time.' },
};

export const writes: Record<Write, { word: string; means: string }> = {
  merge: { word: 'Latest version', means: 'One row per key, always as it is now. Deleted rows go, where the source tells of them.' },
  soft_delete: { word: 'Latest, deletes marked', means: 'One row per key. Deleted rows stay and are marked, where the source tells of them.' },
  history: { word: 'Every version', means: 'Each change adds a version with the times from which and to which it held.' },
  append: { word: 'Add only', means: 'Every row that is read is added; nothing that is there changes.' },
  replace: { word: 'Swap the table', means: 'The table is swapped for the new one once that is complete; a failed sync changes nothing.' },
};

/** What create-connection takes of a choice. */
export function specOf(choice: Choice, streams: readonly Offered[]): { all_streams: boolean; streams: Spec[] } {
  const on = selectedKeys(choice, streams);
  const out: Spec[] = [];
  for (const s of streams) {
    const k = keyOf(s);
    const name = { ...(s.namespace ? { namespace: s.namespace } : {}), name: s.name };
    if (!on.has(k)) {
      if (choice.all) out.push({ ...name, selected: false });
    } else if (!choice.all || choice.settings[k]) out.push({ ...name, ...choice.settings[k] });
  }
  return { all_streams: choice.all, streams: out };
}

/** Rows that the first sync will read, as the source estimates; `known` tells whether it does so of all. */
export function estimate(streams: readonly Offered[]): { rows: number; known: number } {
  return { rows: streams.reduce((sum, s) => sum + s.row_count, 0), known: streams.filter((s) => s.row_count > 0).length };
}

export type TreeRow = { kind: 'group'; name: string; keys: string[]; open: boolean } | { kind: 'stream'; stream: Offered; key: string; depth: number };

/** The rows of the tree: schemas with their streams, in so far as they are open; without schemas, the streams. */
export function treeOf(streams: readonly Offered[], search: string, closed: ReadonlySet<string>): TreeRow[] {
  const wanted = search.trim().toLowerCase();
  const groups = new Map<string, Offered[]>();
  for (const s of streams) {
    if (wanted && !streamName(s).toLowerCase().includes(wanted)) continue;
    const g = groups.get(s.namespace ?? '');
    if (g) g.push(s);
    else groups.set(s.namespace ?? '', [s]);
  }
  const out: TreeRow[] = [];
  for (const [name, inside] of groups) {
    const flat = name === '' && groups.size === 1;
    const open = !closed.has(name) || wanted !== '';
    if (!flat) out.push({ kind: 'group', name, keys: inside.map(keyOf), open });
    if (open) for (const s of inside) out.push({ kind: 'stream', stream: s, key: keyOf(s), depth: flat ? 0 : 1 });
  }
  return out;
}

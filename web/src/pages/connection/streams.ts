import type { Schemas } from '../../api/client';
import { streamName } from '../../ui/format';

export type ConnectionStream = Schemas['ConnectionStream'];
type Spec = Schemas['StreamSpec'];
type Column = Schemas['Column'];

/** What can be chosen for a stream; '' and [] stand for what the platform chooses by itself. */
export interface Choice {
  selected: boolean;
  mode: string;
  write: string;
  primary_key: string[];
  cursor: string;
  exclude: string[];
  hash: string[];
  nested: string;
  table: string;
}

export type Draft = Partial<Choice>;

/** The full name of a stream, by which drafts are kept. */
export const nameOf = (s: ConnectionStream): string => streamName({ name: s.settings.name, ...(s.settings.namespace ? { namespace: s.settings.namespace } : {}) });

/** What the server holds of a stream. */
export function choiceOf(s: ConnectionStream): Choice {
  const { settings: v } = s;
  return {
    selected: s.selected, mode: v.mode ?? '', write: v.write ?? '', primary_key: v.primary_key ?? [], cursor: v.cursor ?? '', exclude: v.exclude ?? [], hash: v.hash ?? [], nested: v.nested ?? '', table: v.table ?? '',
  };
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** A draft without what is as the server has it; null where nothing is left. */
export function reduce(s: ConnectionStream, draft: Draft): Draft | null {
  const now = choiceOf(s);
  const left = Object.fromEntries(Object.entries(draft).filter(([k, v]) => !same(v, now[k as keyof Choice]))) as Draft;
  return Object.keys(left).length > 0 ? left : null;
}

/** The merge patch that a draft is: what is empty goes back to what the platform chooses. */
export function patchOf(s: ConnectionStream, draft: Draft): Record<string, unknown> {
  const patch: Record<string, unknown> = { name: s.settings.name, ...(s.settings.namespace ? { namespace: s.settings.namespace } : {}) };
  for (const [k, v] of Object.entries(draft)) patch[k] = v === '' || (Array.isArray(v) && v.length === 0) ? null : v;
  return patch;
}

const labels: Record<keyof Choice, string> = { selected: 'synced', mode: 'read', write: 'write', primary_key: 'primary key', cursor: 'cursor', exclude: 'left out', hash: 'hashed', nested: 'nested data', table: 'table' };

/** What is chosen, in words; no column is left out or hashed where none is named. */
const textOf = (key: keyof Choice, value: Choice[keyof Choice]): string =>
  (typeof value === 'boolean' ? (value ? 'yes' : 'no') : Array.isArray(value) ? value.join(', ') || (key === 'primary_key' ? 'automatic' : 'none') : modeWords[value] ?? (value || 'automatic'));

export const modeWords: Record<string, string> = { full_refresh: 'full refresh', incremental: 'incremental', cdc: 'change log', append: 'append', merge: 'merge', soft_delete: 'mark deletes', history: 'history', replace: 'replace', json: 'one JSON column', tables: 'tables of their own' };

/** What drafts change, for people: one line for each field. */
export function changesOf(streams: readonly ConnectionStream[], drafts: ReadonlyMap<string, Draft>): { field: string; before: string; after: string }[] {
  const byName = new Map(streams.map((s) => [nameOf(s), s]));
  return [...drafts].flatMap(([name, draft]) => {
    const s = byName.get(name);
    if (!s) return [];
    const now = choiceOf(s);
    return (Object.keys(draft) as (keyof Choice)[]).map((k) => ({ field: `${name}: ${labels[k]}`, before: textOf(k, now[k]), after: textOf(k, draft[k]!) }));
  });
}

/** What others changed, since a draft was begun, in fields that it changes too. */
export function conflictsOf(seen: ReadonlyMap<string, Choice>, streams: readonly ConnectionStream[], drafts: ReadonlyMap<string, Draft>): { field: string; before: string; after: string }[] {
  const byName = new Map(streams.map((s) => [nameOf(s), s]));
  return [...drafts].flatMap(([name, draft]) => {
    const was = seen.get(name);
    const s = byName.get(name);
    if (!was || !s) return [];
    const now = choiceOf(s);
    return (Object.keys(draft) as (keyof Choice)[]).filter((k) => !same(was[k], now[k])).map((k) => ({ field: `${name}: ${labels[k]}`, before: textOf(k, now[k]), after: textOf(k, draft[k]!) }));
  });
}

/** A column as a stream's settings treat it. */
export type Treatment = 'load' | 'hash' | 'exclude';

export const treatmentOf = (c: Choice, column: string): Treatment => (c.exclude.includes(column) ? 'exclude' : c.hash.includes(column) ? 'hash' : 'load');

/** The draft after a column is treated otherwise. */
export function treat(c: Choice, column: string, as: Treatment): Pick<Choice, 'exclude' | 'hash'> {
  const without = (list: string[]) => list.filter((n) => n !== column);
  return { exclude: as === 'exclude' ? [...without(c.exclude), column] : without(c.exclude), hash: as === 'hash' ? [...without(c.hash), column] : without(c.hash) };
}

/** The columns of a stream: as the source offers them, else as syncs saw them, and what settings name beside. */
export function columnsOf(s: ConnectionStream, seen: readonly Column[] | undefined): Column[] {
  const known = s.offered && s.offered.columns.length > 0 ? s.offered.columns : (seen ?? []);
  const names = new Set(known.map((c) => c.name));
  const named = [...(s.settings.exclude ?? []), ...(s.settings.hash ?? [])].filter((n) => !names.has(n));
  return [...known, ...named.map((name) => ({ name, type: 'not known', nullable: true }))];
}

/** Streams of the settings and of the source, and those that only syncs saw. */
export function withSeen(streams: readonly ConnectionStream[], seen: readonly Schemas['SchemaVersion'][], all: boolean): ConnectionStream[] {
  const known = new Set(streams.map(nameOf));
  const rest = seen.filter((v) => !known.has(streamName(v.stream))).map((v): ConnectionStream => ({ listed: false, selected: all, settings: { name: v.stream.name, ...(v.stream.namespace ? { namespace: v.stream.namespace } : {}) } satisfies Spec }));
  return rest.length > 0 ? [...streams, ...rest].sort((a, b) => nameOf(a).localeCompare(nameOf(b))) : [...streams];
}

/** Streams as a document of configuration has them: those with settings, and of each what is not chosen by itself. */
export function streamSpecs(streams: readonly ConnectionStream[], drafts: ReadonlyMap<string, Draft> = new Map()): Record<string, unknown>[] {
  return streams
    .filter((s) => drafts.has(nameOf(s)) || s.listed)
    .map((s) => {
      const { selected, ...v } = { ...choiceOf(s), ...drafts.get(nameOf(s)) };
      return {
        name: s.settings.name, ...(s.settings.namespace ? { namespace: s.settings.namespace } : {}), ...(selected ? {} : { selected: false }),
        ...Object.fromEntries(Object.entries(v).filter(([, x]) => x !== '' && !(Array.isArray(x) && x.length === 0))),
      };
    });
}

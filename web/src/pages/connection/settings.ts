import type { Connection } from '../../api/connections';
import { labelTexts } from '../../ui/labels';

type Json = unknown;

const isObject = (v: Json): v is Record<string, Json> => typeof v === 'object' && v !== null && !Array.isArray(v);

const same = (a: Json, b: Json): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The merge patch (RFC 7396) that makes one object of another; undefined: they are the same. */
export function mergePatch(before: Json, after: Json): Json {
  if (!isObject(before) || !isObject(after)) return same(before, after) ? undefined : after;
  const patch: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (after[key] === undefined) {
      if (before[key] !== undefined) patch[key] = null;
    } else if (isObject(before[key]) && isObject(after[key])) {
      const inner = mergePatch(before[key], after[key]);
      if (inner !== undefined) patch[key] = inner;
    } else if (!same(before[key], after[key])) patch[key] = after[key];
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** An object with a merge patch made to it. */
export function applyPatch<T>(to: T, patch: Json): T {
  if (!isObject(patch)) return patch as T;
  const out: Record<string, Json> = isObject(to) ? { ...to } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = isObject(value) ? applyPatch(out[key], value) : value;
  }
  return out as T;
}

/** What can be changed of a connection, in the words of the API: a patch is made of it. */
export interface Settings {
  name: string;
  team?: string;
  labels?: Record<string, string>;
  schedule: Connection['schedule'];
  windows?: NonNullable<Connection['windows']>;
  depends_on?: string[];
  drift: Connection['drift'];
  on_lost: Connection['on_lost'];
  nested: Connection['nested'];
  freshness?: string;
  all_streams: boolean;
  limits: Connection['limits'];
}

/** The settings of a connection; what is by default is left out. */
export function settingsOf(c: Connection): Settings {
  return {
    name: c.name, ...(c.team ? { team: c.team } : {}), ...(c.labels && Object.keys(c.labels).length > 0 ? { labels: c.labels } : {}), schedule: c.schedule, ...(c.windows?.length ? { windows: c.windows } : {}),
    ...(c.depends_on?.length ? { depends_on: c.depends_on } : {}), drift: c.drift, on_lost: c.on_lost, nested: c.nested, ...(c.freshness ? { freshness: c.freshness } : {}), all_streams: c.all_streams, limits: c.limits,
  };
}

const names: Record<string, string> = { name: 'Name', team: 'Team', labels: 'Labels', schedule: 'Schedule', windows: 'Windows', depends_on: 'Dependencies', drift: 'Schema drift', on_lost: 'Lost position', nested: 'Nested data', freshness: 'Freshness', all_streams: 'New streams', limits: 'Limits' };

export const settingName = (key: string): string => names[key] ?? key;

const written = (v: Json): string => (v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v));

/** What differs between two settings, by their names for people. */
export function settingChanges(before: Settings, after: Settings): { field: string; before: string; after: string }[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Settings>;
  return [...keys].filter((k) => !same(before[k], after[k])).map((k) => ({ field: settingName(k), before: written(before[k]), after: written(after[k]) }));
}

/**
 * A connection as a whole document for `sluice apply`, with names in place of ids: what it
 * leaves out would go back to its default, so it has the settings of streams, too.
 */
export function asDocument(c: Connection, s: Settings, nameOf: (id: string) => string, streams: readonly object[]): Record<string, Json> {
  const { name, depends_on, ...rest } = s;
  return { kind: 'connection', name, source: c.source_name, destination: c.destination_name, schema: c.schema, ...rest, ...(depends_on ? { depends_on: depends_on.map(nameOf) } : {}), names: c.names, ...(c.paused ? { paused: true } : {}), ...(streams.length > 0 ? { streams } : {}) };
}

/** Labels as lines of `key=value`; what is no label is told by its line. */
export function parseLabels(text: string): { labels: Record<string, string>; wrong?: string } {
  const labels: Record<string, string> = {};
  let wrong: string | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    const key = line.slice(0, Math.max(0, at)).trim();
    const value = line.slice(at + 1).trim();
    if (at < 1 || key === '' || value === '') wrong ??= `“${line.trim()}” is not key=value`;
    else labels[key] = value;
  }
  return wrong ? { labels, wrong } : { labels };
}

export const labelText = (labels: Record<string, string> | undefined): string => labelTexts(labels).join('\n');

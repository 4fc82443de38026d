/** A part that was changed: its path, and how it was and became; undefined: it was not there. */
export interface Difference {
  path: string;
  before: unknown;
  after: unknown;
}

/** What differs between two objects, by paths; lists are compared as wholes. */
export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((n) => differences(before[n], after[n], path ? `${path}.${n}` : n));
  }
  return [{ path, before, after }];
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/** A value as one line, or more where it is long. */
export function written(v: unknown): string {
  if (v === undefined) return '–';
  return typeof v === 'string' ? v : JSON.stringify(v, null, typeof v === 'object' && JSON.stringify(v).length > 60 ? 2 : 0);
}

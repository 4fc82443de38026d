import type { Schemas } from '../../api/client';
import { plural } from '../../ui/format';

type State = Schemas['State'];

/** The times and numbers that say where a cursor is, out of its own JSON, in a few words. */
export function cursorWords(cursor: unknown): string {
  const found: string[] = [];
  const walk = (value: unknown, name: string): void => {
    if (found.length >= 3) return;
    if (Array.isArray(value)) return;
    if (typeof value === 'object' && value !== null) {
      for (const [k, v] of Object.entries(value)) if (k !== 'v' && k !== 'seen') walk(v, k);
    } else if (typeof value === 'number' || typeof value === 'boolean' || (typeof value === 'string' && value !== '')) {
      found.push(name ? `${name} ${value}` : String(value));
    }
  };
  walk(cursor, '');
  return found.join(', ');
}

/** Where a state is, in one line. */
export function stateWords(s: State): string {
  if (s.positions.length === 0) return 'from the start';
  const whole = s.positions.find((p) => p.part === 0);
  const parts = s.positions.filter((p) => p.part > 0);
  const words = whole ? cursorWords(whole.cursor) : '';
  const done = parts.filter((p) => p.done).length;
  return [words, parts.length > 0 ? `${done} of ${plural(parts.length, 'part')} read` : '', s.positions.every((p) => p.done) ? '' : 'first read under way'].filter(Boolean).join(', ') || 'read to the end';
}

/** How a state came about. */
export function originWords(s: State): string {
  if (s.restored_from) return `restored${s.by ? ` by ${s.by}` : ''} from ${s.restored_from}`;
  if (s.load_id) return 'committed by a load';
  return s.by ? `reset by ${s.by}` : 'reset';
}

/** JSON as lines, with those that differ marked: what a state was and is. */
export function lineDiff(before: unknown, after: unknown): { text: string; change: 'same' | 'removed' | 'added' }[] {
  const lines = (v: unknown) => (v === undefined ? [] : JSON.stringify(v, null, 2).split('\n'));
  const a = lines(before);
  const b = lines(after);
  if (a.length * b.length > 250_000) return [...a.map((text) => ({ text, change: 'removed' as const })), ...b.map((text) => ({ text, change: 'added' as const }))];
  // The longest common subsequence, from the end.
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) table[i]![j] = a[i] === b[j] ? table[i + 1]![j + 1]! + 1 : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
  const out: { text: string; change: 'same' | 'removed' | 'added' }[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ text: a[i]!, change: 'same' });
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && table[i + 1]![j]! >= table[i]![j + 1]!)) out.push({ text: a[i++]!, change: 'removed' });
    else out.push({ text: b[j++]!, change: 'added' });
  }
  return out;
}

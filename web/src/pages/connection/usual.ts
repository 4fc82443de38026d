import type { Schemas } from '../../api/client';

type Day = Schemas['Day'];
type Sync = Schemas['Sync'];

export const syncsOf = (d: Day): number => d.succeeded + d.succeeded_with_warnings + d.failed + d.rescheduled + d.cancelled;

/** The value below which a share of sorted numbers is, between neighbours in proportion. */
export function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}

/** Days of history that it takes to say what is usual. */
export const enough = 7;
const memory = 28;

export interface Usual {
  low: number | null;
  middle: number | null;
  high: number | null;
}

/**
 * What was usual for each day: the middle of the 28 days before it and the range
 * that holds eight in ten of them. Days before anything ran do not count.
 */
export function usualOf(rows: readonly number[], ran: readonly boolean[]): Usual[] {
  const first = ran.indexOf(true);
  return rows.map((_, i) => {
    const before = first < 0 ? [] : rows.slice(Math.max(first, i - memory), i).sort((a, b) => a - b);
    if (before.length < enough) return { low: null, middle: null, high: null };
    return { low: quantile(before, 0.1), middle: quantile(before, 0.5), high: quantile(before, 0.9) };
  });
}

/** How a day's rows compare, in a sentence; null where nothing is usual yet. */
export function verdict(rows: number, usual: Usual): { text: string; odd: boolean } | null {
  if (usual.low === null || usual.high === null || usual.middle === null) return null;
  if (rows < usual.low) return { text: usual.middle > 0 ? `${Math.round((1 - rows / usual.middle) * 100)} % less than usual` : 'less than usual', odd: true };
  if (rows > usual.high) return { text: usual.middle > 0 ? `${Math.round((rows / usual.middle - 1) * 100)} % more than usual` : 'more than usual', odd: true };
  return { text: 'as usual', odd: false };
}

/** Mean seconds of the syncs of a day; null where none ended. */
export const meanSeconds = (d: Day): number | null => (syncsOf(d) > 0 ? d.seconds / syncsOf(d) : null);

/**
 * How old the data of the destination were over a time, in seconds: it grows by the
 * second, and falls when a sync succeeds to how long that sync took. Syncs in any order.
 */
export function ages(syncs: readonly Sync[], from: number, to: number): { at: number[]; age: number[] } {
  const good = syncs
    .filter((s) => s.ended_at && s.started_at && (s.outcome === 'succeeded' || s.outcome === 'succeeded_with_warnings'))
    .map((s) => ({ began: Date.parse(s.started_at!) / 1000, ended: Date.parse(s.ended_at!) / 1000 }))
    .sort((a, b) => a.ended - b.ended);
  const at: number[] = [];
  const age: number[] = [];
  const put = (t: number, asOf: number) => {
    if (t < from || t > to) return;
    at.push(t);
    age.push(Math.max(0, t - asOf));
  };
  let asOf: number | null = null;
  for (const s of good) {
    if (asOf !== null) {
      if (s.ended > from && at.length === 0) put(from, asOf);
      put(s.ended - 0.001, asOf);
    }
    asOf = s.began;
    put(s.ended, asOf);
  }
  if (asOf !== null) {
    if (at.length === 0) put(from, asOf);
    put(to, asOf);
  }
  return { at, age };
}

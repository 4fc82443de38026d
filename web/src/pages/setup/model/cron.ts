/**
 * The next times of a schedule, for the preview of the form. The server decides
 * when syncs run; this follows its rules: five fields with lists, ranges, steps and
 * names; where both days are given, either will do.
 */
interface Cron {
  minute: Set<number>;
  hour: Set<number>;
  day: Set<number>;
  month: Set<number>;
  weekday: Set<number>;
  /** Whether day and weekday are both narrowed: then either will do. */
  either: boolean;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fields = [
  { name: 'minute', min: 0, max: 59, names: [] as string[] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: months },
  { name: 'weekday', min: 0, max: 7, names: days },
] as const;

/** Reads five fields; says what is wrong with which. */
export function parseCron(text: string): Cron | string {
  const parts = text.trim().split(/\s+/);
  if (text.trim() === '') return 'Five fields are needed: minute, hour, day, month, weekday.';
  if (parts.length !== 5) return `Five fields are needed: minute, hour, day, month, weekday. This has ${parts.length}.`;
  const sets: Set<number>[] = [];
  for (const [i, f] of fields.entries()) {
    const set = readField(parts[i]!, f.min, f.max, f.names);
    if (!set) return `The ${f.name} “${parts[i]}” cannot be read: it takes numbers from ${f.min} to ${f.max}, lists (1,2), ranges (1-5) and steps (*/15).`;
    sets.push(set);
  }
  const [minute, hour, day, month, weekday] = sets as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  if (weekday.has(7)) weekday.add(0);
  return { minute, hour, day, month, weekday, either: !/^[*?]/.test(parts[2]!) && !/^[*?]/.test(parts[4]!) };
}

function readField(text: string, min: number, max: number, names: readonly string[]): Set<number> | undefined {
  const out = new Set<number>();
  const number = (s: string) => {
    const named = names.indexOf(s.toLowerCase());
    if (named >= 0) return named + (min === 1 ? 1 : 0);
    return /^\d+$/.test(s) ? Number(s) : Number.NaN;
  };
  for (const part of text.split(',')) {
    const m = /^([^/]+)(?:\/(\d+))?$/.exec(part);
    if (!m) return undefined;
    const step = m[2] === undefined ? 1 : Number(m[2]);
    const range = m[1]!;
    let from: number, to: number;
    if (range === '*' || range === '?') [from, to] = [min, max === 7 ? 6 : max];
    else if (range.includes('-')) {
      const ends = range.split('-').map(number);
      if (ends.length !== 2) return undefined;
      [from, to] = ends as [number, number];
    } else {
      from = number(range);
      to = m[2] === undefined ? from : max === 7 ? 6 : max;
    }
    if (Number.isNaN(from) || Number.isNaN(to) || from < min || to > max || from > to || step < 1) return undefined;
    for (let n = from; n <= to; n += step) out.add(n);
  }
  return out;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock in a zone shows, as if it were UTC. */
function wallClock(at: number, zone: string): Date {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' });
    formats.set(zone, format);
  }
  const p = Object.fromEntries(format.formatToParts(at).map((x) => [x.type, Number(x.value)]));
  return new Date(Date.UTC(p.year!, p.month! - 1, p.day, p.hour, p.minute));
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** The next times, at most `n`, within the five years to come. */
export function nextRuns(cron: Cron, zone: string, from: number, n: number): number[] {
  const out: number[] = [];
  const end = from + 5 * 366 * 24 * hourMs;
  let at = Math.floor(from / minuteMs) * minuteMs + minuteMs;
  while (at < end && out.length < n) {
    const wall = wallClock(at, zone);
    const dayFits = fits(cron, wall);
    if (!dayFits || !cron.hour.has(wall.getUTCHours())) {
      // On to the next full hour of that clock; never over a change of the clocks.
      at += (60 - wall.getUTCMinutes()) * minuteMs;
      if (!dayFits && wall.getUTCHours() < 20) at += (20 - wall.getUTCHours() - 1) * hourMs;
      continue;
    }
    if (cron.minute.has(wall.getUTCMinutes())) out.push(at);
    at += minuteMs;
  }
  return out;
}

function fits(cron: Cron, wall: Date): boolean {
  if (!cron.month.has(wall.getUTCMonth() + 1)) return false;
  const day = cron.day.has(wall.getUTCDate());
  const weekday = cron.weekday.has(wall.getUTCDay());
  return cron.either ? day || weekday : day && weekday;
}

/** How numbers, sizes, durations and times are written: here and nowhere else. */

/** What stands where nothing is known. */
export const none = '–';

const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

/** 1,234,567 */
export function count(n: number | null | undefined): string {
  return n === null || n === undefined || Number.isNaN(n) ? none : whole.format(n);
}

/** Three figures and a unit: 1.23 M, 45.6 k, 789. */
export function short(n: number | null | undefined): string {
  if (n === null || n === undefined || Number.isNaN(n)) return none;
  return scaled(n, 1000, ['', ' k', ' M', ' G', ' T', ' P']);
}

/** 1.23 MB: decimal units, as disks and networks have them. */
export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || Number.isNaN(n)) return none;
  return scaled(n, 1000, [' B', ' kB', ' MB', ' GB', ' TB', ' PB']);
}

function scaled(n: number, base: number, units: readonly string[]): string {
  let i = 0;
  let value = Math.abs(n);
  // 999.95 would be written as 1000: it is 1.00 of the next unit.
  while (value >= base - 0.5 && i < units.length - 1) {
    value /= base;
    i++;
  }
  const text = i === 0 ? whole.format(value) : value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  return (n < 0 ? '−' : '') + text + (units[i] ?? '');
}

/** 12.3 k rows/s; below ten with one decimal. */
export function rate(n: number | null | undefined, what = 'rows'): string {
  if (n === null || n === undefined || Number.isNaN(n)) return none;
  return `${n > 0 && n < 10 ? n.toFixed(1) : short(n)} ${what}/s`;
}

/** 42 %, 99.95 %: as many decimals as a share near 0 or 1 needs to say anything. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || Number.isNaN(share)) return none;
  const p = share * 100;
  if (p === 0 || p === 100 || (p >= 10 && p <= 90)) return `${p.toFixed(0)} %`;
  // Not all is never written as all, nor something as nothing.
  if (p > 99.9) return `${Math.min(p, 99.99).toFixed(2)} %`;
  return p < 0.1 ? '< 0.1 %' : `${p.toFixed(1)} %`;
}

/** 850 ms, 12.4 s, 3 min 20 s, 5 h 12 min, 3 d 4 h. Of milliseconds. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return none;
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  return pair(Math.round(s), [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]);
}

function pair(seconds: number, units: readonly (readonly [number, string])[]): string {
  const i = units.findIndex(([size]) => seconds >= size);
  const [size, unit] = units[i] ?? [1, 's'];
  const next = units[i + 1];
  const first = Math.floor(seconds / size);
  const rest = next ? Math.floor((seconds % size) / next[0]) : 0;
  return next && rest > 0 && first < 100 ? `${first} ${unit} ${rest} ${next[1]}` : `${first} ${unit}`;
}

/** One figure and a unit, for tight columns: 12s, 5m, 3h, 9d. Of milliseconds. */
export function tightDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return none;
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 86_400 * 2) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86_400)}d`;
}

/** Milliseconds of a Go duration as the API writes them: 1h30m, 90s, 1.5s, 250ms. NaN where it is none. */
export function parseDuration(text: string): number {
  const units: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$/.test(text)) return Number.NaN;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)].reduce((sum, m) => sum + Number(m[1]) * (units[m[2] ?? ''] ?? 0), 0);
}

/** `just now`, `3 min ago`, `in 2 h`, `5 d ago`: how far a time is from now. */
export function fromNow(time: string | number | Date, now = Date.now()): string {
  const ms = new Date(time).getTime() - now;
  const away = Math.abs(ms);
  if (away < 5000) return ms > 1000 ? 'in a moment' : 'just now';
  const text = away < 60_000 ? `${Math.round(away / 1000)} s` : pair(Math.round(away / 1000), [[86_400, 'd'], [3600, 'h'], [60, 'min']]).replace(/^((?:\d\d+ (?:h|d|min))|(?:[4-9] (?:h|d))) .*$/, '$1');
  return ms > 0 ? `in ${text}` : `${text} ago`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const dayYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const full = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' });

/** In the viewer's zone: 14:07 today, else 21 Nov 14:07, else 21 Nov 2025. */
export function time(at: string | number | Date, now = new Date()): string {
  const t = new Date(at);
  if (Number.isNaN(t.getTime())) return none;
  if (t.toDateString() === now.toDateString()) return clock.format(t);
  if (t.getFullYear() === now.getFullYear()) return `${day.format(t)}, ${clock.format(t)}`;
  return dayYear.format(t);
}

/** 14:07:32 in the viewer's zone. */
export const timeOfDay = (at: string | number | Date): string => clockSeconds.format(new Date(at));
/** 21 Nov 2026 in the viewer's zone. */
export const date = (at: string | number | Date): string => dayYear.format(new Date(at));
/** Sat, 21 Nov 2026, 14:07:32 CET */
export const fullTime = (at: string | number | Date): string => full.format(new Date(at));
/** 2026-11-21 13:07:32.123 UTC: exact, for people to copy. */
export function utc(at: string | number | Date): string {
  const t = new Date(at);
  return Number.isNaN(t.getTime()) ? none : `${t.toISOString().replace('T', ' ').replace('Z', '')} UTC`;
}

/** `1 stream`, `12 streams`; the plural with -s unless given. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A schedule in words: every 6 h, `0 4 * * *` (Europe/Paris), only when asked. */
export function schedule(s: { every?: string; cron?: string; zone?: string; manual?: boolean }): string {
  if (s.manual) return 'only when asked';
  if (s.cron) return `${s.cron} (${s.zone || 'UTC'})`;
  return s.every ? `every ${duration(parseDuration(s.every))}` : none;
}

/** The name of a stream as people write it: public.orders. */
export const streamName = (s: { namespace?: string; name: string }): string => (s.namespace ? `${s.namespace}.${s.name}` : s.name);

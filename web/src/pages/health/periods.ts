import type { Url } from '../../ui/useUrl';

/** Periods that one chooses; the last 30 days are what holds otherwise. */
export const periods = [
  ['1d', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['90d', 'Last 90 days'],
  ['365d', 'Last 365 days'],
  ['custom', 'From and to…'],
] as const;

const day = 86_400_000;

/** The period of an address. What ends now is cut to the minute, so that it is asked for once. */
export function periodOf(url: Url, now: number): { from: string; to?: string } {
  const last = (days: number) => new Date(Math.floor(now / 60_000) * 60_000 - days * day).toISOString();
  if (url.period === 'custom') return { from: url.from ?? last(30), ...(url.to ? { to: url.to } : {}) };
  return { from: last(Number.parseInt(url.period ?? '30d', 10) || 30) };
}

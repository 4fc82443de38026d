import { describe, expect, it } from 'vitest';
import { nextRuns, parseCron } from './cron';

function next(text: string, zone: string, from: string, n = 2): string[] | string {
  const cron = parseCron(text);
  return typeof cron === 'string' ? cron : nextRuns(cron, zone, Date.parse(from), n).map((t) => new Date(t).toISOString().slice(0, 16));
}

describe('cron', () => {
  it.each([
    ['*/15 * * * *', 'UTC', '2026-11-21T12:07:30Z', ['2026-11-21T12:15', '2026-11-21T12:30']],
    ['0 4 * * *', 'UTC', '2026-11-21T04:00:00Z', ['2026-11-22T04:00', '2026-11-23T04:00']],
    ['30 6 * * 1-5', 'Europe/Paris', '2026-11-20T12:00:00Z', ['2026-11-23T05:30', '2026-11-24T05:30']],
    ['0 0 1 * mon', 'UTC', '2026-11-21T00:00:00Z', ['2026-11-23T00:00', '2026-11-30T00:00']],
    ['0 9 29 feb *', 'UTC', '2026-11-21T00:00:00Z', ['2028-02-29T09:00']],
    ['15 10 * * 7', 'Asia/Kolkata', '2026-11-21T00:00:00Z', ['2026-11-22T04:45', '2026-11-29T04:45']],
  ])('%s in %s', (text, zone, from, want) => {
    expect(next(text, zone, from)).toEqual(want);
  });
  it('skips an hour that the clocks skip', () => {
    expect(next('30 2 * * *', 'Europe/Paris', '2026-03-28T12:00:00Z')).toEqual(['2026-03-30T00:30', '2026-03-31T00:30']);
  });
  it.each(['', '* * *', '61 * * * *', '* 24 * * *', '* * 0 * *', 'x * * * *', '5-1 * * * *', '*/0 * * * *', '1/ * * * *'])('refuses %j', (text) => {
    expect(next(text, 'UTC', '2026-11-21T00:00:00Z')).toBeTypeOf('string');
  });
});

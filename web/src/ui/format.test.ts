import { describe, expect, it } from 'vitest';
import { bytes, count, duration, fromNow, parseDuration, percent, plural, rate, schedule, short, tightDuration, utc } from './format';

describe('numbers', () => {
  it.each([[0, '0'], [999, '999'], [999.6, '1.00 k'], [1000, '1.00 k'], [12_345, '12.3 k'], [999_949, '1.00 M'], [1_234_567, '1.23 M'], [-4500, '−4.50 k'], [99_960, '100 k']])('%d in short is %s', (n, text) => {
    expect(short(n)).toBe(text);
  });
  it('groups thousands and shows what is not known as such', () => {
    expect(count(1_234_567)).toBe('1,234,567');
    expect([count(null), short(undefined), bytes(Number.NaN), percent(null), rate(undefined)]).toEqual(['–', '–', '–', '–', '–']);
  });
  it('has units', () => {
    expect(bytes(98_304)).toBe('98.3 kB');
    expect(rate(4.25)).toBe('4.3 rows/s');
    expect(rate(12_300)).toBe('12.3 k rows/s');
    expect(plural(1, 'stream') + ', ' + plural(2000, 'query', 'queries')).toBe('1 stream, 2,000 queries');
  });
  it.each([[0, '0 %'], [1, '100 %'], [0.5, '50 %'], [0.9999, '99.99 %'], [0.99999999, '99.99 %'], [0.0004, '< 0.1 %'], [0.034, '3.4 %'], [0.9995, '99.95 %']])('never writes not all as all: %d', (n, text) => {
    expect(percent(n)).toBe(text);
  });
});

describe('durations', () => {
  it.each([[0, '0 ms'], [850, '850 ms'], [1234, '1.2 s'], [12_400, '12 s'], [59_700, '1 min'], [200_000, '3 min 20 s'], [3_600_000, '1 h'], [18_720_000, '5 h 12 min'], [273_600_000, '3 d 4 h'], [-5000, '−5.0 s']])('%d ms is %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
  it('reads what the API writes', () => {
    expect(parseDuration('1h30m')).toBe(5_400_000);
    expect(parseDuration('90s')).toBe(90_000);
    expect(parseDuration('soon')).toBeNaN();
    expect(schedule({ every: '6h' })).toBe('every 6 h');
    expect(schedule({ cron: '0 4 * * *' })).toBe('0 4 * * * (UTC)');
  });
  it('is tight in columns', () => {
    expect([12_000, 300_000, 7_200_000, 200_000_000, 259_200_000].map(tightDuration)).toEqual(['12s', '5m', '2h', '2d', '3d']);
  });
});

describe('times', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  it.each([['2026-11-21T11:59:58Z', 'just now'], ['2026-11-21T11:59:18Z', '42 s ago'], ['2026-11-21T11:57:00Z', '3 min ago'], ['2026-11-21T14:05:00Z', 'in 2 h 5 min'], ['2026-11-21T00:10:00Z', '11 h ago'], ['2026-11-16T10:00:00Z', '5 d ago']])('%s is %s', (at, text) => {
    expect(fromNow(at, now)).toBe(text);
  });
  it('gives the exact instant', () => {
    expect(utc('2026-11-21T14:07:32.123+02:00')).toBe('2026-11-21 12:07:32.123 UTC');
  });
});

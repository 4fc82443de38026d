import { expect, it } from 'vitest';
import { cleanRule, ruleSummary } from './rules';

it('sends what the kind takes, and no empty settings', () => {
  expect(cleanRule({ name: 'n', kind: 'queue_depth', above: 5, age: '1h', by: 'team', for: '', channels: [], enabled: true })).toEqual({ name: 'n', kind: 'queue_depth', above: 5, enabled: true });
});

it('says what a rule fires for', () => {
  expect(ruleSummary({ name: 'n', enabled: true, kind: 'failing_share', above: 0.2, by: 'connector', for: '10m' })).toBe('20 % or more, by connector, held for 10m');
  expect(ruleSummary({ name: 'n', enabled: true, kind: 'worker_lost', age: '2m' })).toBe('silent for 2m');
});

import { expect, it } from 'vitest';
import { matcherText, whenOf } from './matchers';

it('writes a matcher in words', () => {
  expect(matcherText({ label: 'team', is: ['growth', 'sales'] })).toBe('team is growth or sales');
  expect(matcherText({ label: 'severity', is: ['sev4'], not: true })).toBe('severity is not sev4');
});

it('knows where a silence stands', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  expect(whenOf({ starts_at: '2026-11-21T13:00:00Z', ends_at: '2026-11-22T00:00:00Z' }, now)).toBe('coming');
  expect(whenOf({ starts_at: '2026-11-21T11:00:00Z', ends_at: '2026-11-22T00:00:00Z' }, now)).toBe('active');
  expect(whenOf({ starts_at: '2026-11-21T11:00:00Z', ends_at: '2026-11-21T12:00:00Z' }, now)).toBe('over');
  expect(whenOf({}, now)).toBe('active');
});

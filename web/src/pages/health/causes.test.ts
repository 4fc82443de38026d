import { describe, expect, it } from 'vitest';
import type { Incident } from '../../api/health';
import { dueness, fromLocal, reach, toLocal, worstFirst } from './causes';
import { periodOf } from './periods';

const incident = (more: Partial<Incident>): Incident => ({ severity: 'sev3', connections: 1, number: 1, scope: 'source', connector: 'github', state: 'open', ...more }) as Incident;

describe('worstFirst', () => {
  it('is by severity, then reach, then age', () => {
    const all = [incident({ number: 1, severity: 'sev3' }), incident({ number: 2, severity: 'sev1' }), incident({ number: 3, severity: 'sev3', connections: 9 }), incident({ number: 4, severity: 'sev3' })];
    expect(worstFirst(all).map((i) => i.number)).toEqual([2, 3, 1, 4]);
    expect(all[0]!.number).toBe(1); // and leaves its argument alone
  });
});

describe('reach', () => {
  it('tells one password from a broken vendor', () => {
    expect(reach(incident({ scope: 'source', connections: 1 }))).toBe('One source of github: 1 connection');
    expect(reach(incident({ scope: 'connector', connections: 150 }))).toBe('All of github: 150 connections');
  });
});

describe('dueness', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  it.each([
    ['2026-11-21T11:00:00Z', 'overdue'],
    ['2026-11-24T11:00:00Z', 'near'],
    ['2026-11-24T13:00:00Z', undefined],
    [undefined, undefined],
  ])('%s is %s', (due_at, want) => expect(dueness(due_at ? incident({ due_at }) : incident({}), now)).toBe(want));
  it('is nothing once it is over', () => expect(dueness(incident({ due_at: '2026-11-01T00:00:00Z', state: 'resolved' }), now)).toBeUndefined());
});

describe('local times of forms', () => {
  it('come back as they went', () => {
    expect(fromLocal(toLocal('2026-11-21T12:34:00.000Z'))).toBe('2026-11-21T12:34:00.000Z');
    expect(fromLocal(toLocal(undefined))).toBeUndefined();
  });
});

describe('periodOf', () => {
  const now = Date.parse('2026-11-21T12:34:56Z');
  it('is the last 30 days, to the minute', () => expect(periodOf({}, now)).toEqual({ from: '2026-10-22T12:34:00.000Z' }));
  it('is what the address names', () => expect(periodOf({ period: '7d' }, now)).toEqual({ from: '2026-11-14T12:34:00.000Z' }));
  it('takes both ends where they are given', () => expect(periodOf({ period: 'custom', from: 'a', to: 'b' }, now)).toEqual({ from: 'a', to: 'b' }));
});

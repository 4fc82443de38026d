import { expect, it } from 'vitest';
import { rankEntries, type Entry } from './rank';

const entry = (label: string, more: Partial<Entry> = {}): Entry => ({ id: label, label, hint: '', rank: 1, run: () => {}, ...more });
const all = [entry('Connections', { rank: 3 }), entry('Health', { rank: 3, also: 'incidents' }), entry('Incidents', { rank: 2 }), entry('shop to warehouse'), entry('big shop'), entry('Sync shop to warehouse now', { rank: 0, verb: 'sync' })];
const labels = (typed: string) => rankEntries(all, typed).map((e) => e.label);

it('finds by all words, the best first', () => {
  expect(labels('shop')).toEqual(['shop to warehouse', 'big shop']);
  expect(labels('ware shop')).toEqual(['shop to warehouse']);
  expect(labels('incid')).toEqual(['Incidents', 'Health']);
  expect(labels('nothing like it')).toEqual([]);
});

it('offers what can be done only to who begins to type it', () => {
  expect(labels('')).not.toContain('Sync shop to warehouse now');
  expect(labels('syn shop')).toEqual(['Sync shop to warehouse now']);
  expect(labels('')[0]).toBe('Connections');
});

import { describe, expect, it } from 'vitest';
import { differences, written } from './diff';

describe('what an entry of the audit log changed', () => {
  it('is told by paths', () => {
    expect(differences({ a: 1, b: { c: 2, d: [1] } }, { b: { c: 3, d: [1], e: null }, f: 'x' })).toEqual([
      { path: 'a', before: 1, after: undefined },
      { path: 'b.c', before: 2, after: 3 },
      { path: 'b.e', before: undefined, after: null },
      { path: 'f', before: undefined, after: 'x' },
    ]);
  });
  it('is nothing where nothing changed', () => {
    expect(differences({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toEqual([]);
  });
  it('compares lists as wholes', () => {
    expect(differences({ a: [1] }, { a: [1, 2] })).toEqual([{ path: 'a', before: [1], after: [1, 2] }]);
  });
  it('is written for people', () => {
    expect([written(undefined), written('x'), written(true), written([1])]).toEqual(['–', 'x', 'true', '[1]']);
  });
});

import { describe, expect, it } from 'vitest';
import { change, effective, estimate, everything, keyOf, select, selectedKeys, specOf, treeOf, withLater, writesFor, type Offered } from './streams';

const stream = (namespace: string, name: string, more: Partial<Offered> = {}): Offered => ({ namespace, name, columns: [], modes: ['incremental', 'full_refresh'], cursors: ['updated_at'], key: ['id'], row_count: 0, ...more });
const streams = [stream('public', 'orders', { row_count: 10 }), stream('public', 'a.b'), stream('audit', 'log', { key: [], modes: ['full_refresh'], cursors: [] })];
const [orders, dotted, log] = streams.map(keyOf) as [string, string, string];

describe('the choice of streams', () => {
  it('takes all, and those that come later, unless told', () => {
    expect(specOf(everything, streams)).toEqual({ all_streams: true, streams: [] });
    const less = select(everything, [log], false);
    expect(selectedKeys(less, streams)).toEqual(new Set([orders, dotted]));
    expect(specOf(less, streams)).toEqual({ all_streams: true, streams: [{ namespace: 'audit', name: 'log', selected: false }] });
  });
  it('keeps the same streams when later ones are no longer wanted', () => {
    const listed = withLater(select(everything, [log], false), streams, false);
    expect(selectedKeys(listed, streams)).toEqual(new Set([orders, dotted]));
    expect(specOf(change(listed, [dotted], { write: 'history' }), streams)).toEqual({ all_streams: false, streams: [{ namespace: 'public', name: 'orders' }, { namespace: 'public', name: 'a.b', write: 'history' }] });
    expect(selectedKeys(withLater(listed, streams, true), streams)).toEqual(new Set([orders, dotted]));
  });
  it('selects and leaves out again, in both ways', () => {
    for (const start of [everything, { ...everything, all: false }]) {
      expect(selectedKeys(select(select(start, [orders, log], true), [log], false), streams).has(orders)).toBe(true);
      expect(selectedKeys(select(start, [log], false), streams).has(log)).toBe(false);
    }
  });
  it('forgets settings that are none', () => {
    expect(change(change(everything, [orders], { mode: 'full_refresh', exclude: ['x'] }), [orders], { mode: undefined, exclude: [] }).settings).toEqual({});
  });
});

describe('how streams are read and written', () => {
  it('is as the server decides', () => {
    expect(effective(streams[0]!, undefined)).toEqual({ mode: 'incremental', write: 'merge', cursor: 'updated_at', key: ['id'] });
    expect(effective(streams[2]!, undefined)).toEqual({ mode: 'full_refresh', write: 'replace', cursor: undefined, key: [] });
    expect(effective(stream('', 'x', { key: [] }), undefined).write).toBe('append');
    expect(effective(streams[0]!, { mode: 'full_refresh' }).write).toBe('replace');
  });
  it('offers what fits', () => {
    expect(writesFor('incremental', [])).toEqual(['append']);
    expect(writesFor('full_refresh', ['id'])).toEqual(['merge', 'soft_delete', 'history', 'append', 'replace']);
  });
  it('estimates what is known', () => {
    expect(estimate(streams)).toEqual({ rows: 10, known: 1 });
  });
});

describe('the tree', () => {
  it('has schemas, opens what is searched, and is flat without schemas', () => {
    expect(treeOf(streams, '', new Set(['public'])).map((r) => (r.kind === 'group' ? r.name : r.stream.name))).toEqual(['public', 'audit', 'log']);
    expect(treeOf(streams, 'PUBLIC.OR', new Set(['public'])).map((r) => (r.kind === 'group' ? r.name : r.stream.name))).toEqual(['public', 'orders']);
    expect(treeOf([stream('', 'a'), stream('', 'b')], '', new Set()).every((r) => r.kind === 'stream' && r.depth === 0)).toBe(true);
  });
});

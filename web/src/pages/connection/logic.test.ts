import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../api/client';
import type { Connection } from '../../api/connections';
import { append, attrsText, lineText, type LogLine } from './logs';
import { cursorWords, lineDiff, stateWords } from './positions';
import { applyPatch, mergePatch, parseLabels, settingChanges, settingsOf, type Settings } from './settings';
import { changesOf, choiceOf, conflictsOf, patchOf, reduce, treat, treatmentOf, withSeen, type ConnectionStream } from './streams';
import { shapeDiff } from './shape';
import { ages, quantile, usualOf, verdict } from './usual';

const stream = (name: string, settings: object = {}): ConnectionStream => ({ listed: true, selected: true, settings: { name, namespace: 'public', ...settings } });

describe('streams', () => {
  const s = stream('orders', { hash: ['email'], mode: 'incremental' });
  it('keep of a draft only what differs', () => {
    expect(reduce(s, { selected: true, hash: ['email'], mode: 'cdc' })).toEqual({ mode: 'cdc' });
    expect(reduce(s, { mode: 'incremental' })).toBeNull();
  });
  it('send what is emptied as null, so that it goes back to its default', () => {
    expect(patchOf(s, { mode: '', hash: [], exclude: ['note'], selected: false })).toEqual({ name: 'orders', namespace: 'public', mode: null, hash: null, exclude: ['note'], selected: false });
  });
  it('say what is changed, and what others changed of the same', () => {
    const drafts = new Map([['public.orders', { hash: ['phone'], selected: false }]]);
    expect(changesOf([s], drafts)).toEqual([{ field: 'public.orders: hashed', before: 'email', after: 'phone' }, { field: 'public.orders: synced', before: 'yes', after: 'no' }]);
    const seen = new Map([['public.orders', choiceOf(stream('orders', { mode: 'cdc' }))]]);
    expect(conflictsOf(seen, [s], drafts)).toEqual([{ field: 'public.orders: hashed', before: 'email', after: 'phone' }]);
    expect(changesOf([stream('a')], new Map([['public.a', { exclude: ['x'], primary_key: ['id'] }]])).map((c) => c.before)).toEqual(['none', 'automatic']);
  });
  it('treat a column in one way at a time', () => {
    const next = { ...choiceOf(s), ...treat(choiceOf(s), 'email', 'exclude') };
    expect([treatmentOf(next, 'email'), next.hash, next.exclude]).toEqual(['exclude', [], ['email']]);
    expect(treat(next, 'email', 'load')).toEqual({ hash: [], exclude: [] });
  });
  it('show what only syncs have seen', () => {
    const seen = [{ stream: { namespace: 'public', name: 'items' }, version: 1, at: '', sync_id: '', shape: { columns: [] } }, { stream: { namespace: 'public', name: 'orders' }, version: 1, at: '', sync_id: '', shape: { columns: [] } }];
    expect(withSeen([s], seen, true).map((x) => [x.settings.name, x.selected])).toEqual([['items', true], ['orders', true]]);
  });
});

describe('settings', () => {
  const before: Settings = { name: 'a', schedule: { every: '1h' }, labels: { x: '1', y: '2' }, drift: 'allow_all', on_lost: 'ask', nested: 'json', all_streams: true, limits: { streams: 4 } };
  it('are sent as what differs: what is left out is taken away', () => {
    const after: Settings = { ...before, schedule: { cron: '0 4 * * *', zone: 'UTC' }, labels: { x: '3' }, limits: {} };
    const patch = mergePatch(before, after);
    expect(patch).toEqual({ schedule: { every: null, cron: '0 4 * * *', zone: 'UTC' }, labels: { x: '3', y: null }, limits: { streams: null } });
    expect(applyPatch(before, patch)).toEqual(after);
    expect(mergePatch(before, { ...before })).toBeUndefined();
  });
  it('are put on top of what somebody else changed', () => {
    const mine = mergePatch(before, { ...before, team: 'sales' });
    const theirs: Settings = { ...before, drift: 'block_all' };
    expect(applyPatch(theirs, mine)).toEqual({ ...theirs, team: 'sales' });
  });
  it('are read of a connection without its defaults', () => {
    const c = { name: 'a', team: '', labels: {}, schedule: { manual: true }, freshness: '', drift: 'allow_all', on_lost: 'ask', nested: 'json', all_streams: false, limits: {} } as unknown as Connection;
    expect(settingsOf(c)).toEqual({ name: 'a', schedule: { manual: true }, drift: 'allow_all', on_lost: 'ask', nested: 'json', all_streams: false, limits: {} });
    expect(settingChanges(before, { ...before, team: 'x' })).toEqual([{ field: 'Team', before: '', after: 'x' }]);
  });
  it('read labels line by line', () => {
    expect(parseLabels('a=1\n\n b = c=d ')).toEqual({ labels: { a: '1', b: 'c=d' } });
    expect(parseLabels('a=1\nnothing').wrong).toMatch(/nothing/);
  });
});

describe('states', () => {
  it('say where they are, without what they have seen', () => {
    expect(cursorWords({ v: 1, slices: { '': { at: '2026-11-21T10:00:00Z', seen: ['a', 'b'] } } })).toBe('at 2026-11-21T10:00:00Z');
    expect(cursorWords(42)).toBe('42');
    const state = { positions: [{ part: 1, cursor: null, done: true }, { part: 2, cursor: null, done: false }] } as unknown as Schemas['State'];
    expect(stateWords(state)).toBe('1 of 2 parts read, first read under way');
    expect(stateWords({ ...state, positions: [] })).toBe('from the start');
  });
  it('differ line by line', () => {
    expect(lineDiff({ a: 1, b: 2 }, { a: 1, b: 3 }).map((l) => l.change + l.text)).toEqual(['same{', 'same  "a": 1,', 'removed  "b": 2', 'added  "b": 3', 'same}']);
    expect(lineDiff(undefined, 1)).toEqual([{ text: '1', change: 'added' }]);
  });
});

describe('logs', () => {
  const line = (seq: number): LogLine => ({ seq, at: '2026-11-21T10:00:00Z', level: 'info', message: `m${seq}`, attrs: {} });
  it('have no line twice, and keep the latest', () => {
    expect(append([line(1), line(2)], [line(2), line(3)]).map((l) => l.seq)).toEqual([1, 2, 3]);
    expect(append([line(1), line(2)], [line(3), line(4)], 3).map((l) => l.seq)).toEqual([2, 3, 4]);
  });
  it('are written as text', () => {
    expect(attrsText({ rows: 3, why: 'a b', of: { x: 1 } })).toBe('rows=3 why="a b" of={"x":1}');
    expect(lineText({ ...line(1), stream: 'orders' })).toBe('2026-11-21T10:00:00Z INFO  orders m1');
  });
});

describe('what is usual', () => {
  it('takes a week to be known, and does not count the time before anything ran', () => {
    const rows = [0, 0, ...Array.from({ length: 9 }, () => 100)];
    const usual = usualOf(rows, rows.map((r) => r > 0));
    expect(usual[8]).toEqual({ low: null, middle: null, high: null });
    expect(usual[9]).toEqual({ low: 100, middle: 100, high: 100 });
    expect(verdict(50, usual[9]!)).toEqual({ text: '50 % less than usual', odd: true });
    expect(verdict(100, usual[9]!)).toEqual({ text: 'as usual', odd: false });
    expect(verdict(300, usual[9]!)).toEqual({ text: '200 % more than usual', odd: true });
    expect(verdict(1, usual[0]!)).toBeNull();
  });
  it('lies between neighbours', () => {
    expect([quantile([1, 2, 3], 0.5), quantile([0, 10], 0.1), quantile([], 0.5)]).toEqual([2, 1, Number.NaN]);
  });
});

describe('the age of the data', () => {
  const s = (began: number, ended: number, outcome: Schemas['Sync']['outcome'] = 'succeeded') => ({ started_at: new Date(began * 1000).toISOString(), ended_at: new Date(ended * 1000).toISOString(), outcome }) as Schemas['Sync'];
  it('grows, and falls with each success to the time it took', () => {
    const { at, age } = ages([s(200, 210), s(100, 110), s(150, 160, 'failed')], 0, 300);
    expect(at.map(Math.round)).toEqual([110, 210, 210, 300]);
    expect(age.map(Math.round)).toEqual([10, 110, 10, 100]);
  });
  it('begins at the left where a success was before', () => {
    const { at, age } = ages([s(100, 110)], 200, 300);
    expect([at, age]).toEqual([[200, 300], [100, 200]]);
  });
});

describe('what differs between two shapes', () => {
  const before = { columns: [{ name: 'id', type: 'int32', nullable: false }, { name: 'city', type: 'string', nullable: false }, { name: 'old', type: 'bool', nullable: true }], key: ['id'] };
  const after = { columns: [{ name: 'id', type: 'int64', nullable: false }, { name: 'city', type: 'string', nullable: true }, { name: 'note', type: 'string', nullable: true }], key: ['id', 'city'] };
  it('is said column by column, and of the key', () => {
    expect(shapeDiff(before, after)).toEqual({
      columns: [
        { name: 'id', change: 'changed', before: 'int32 not null', after: 'int64 not null' },
        { name: 'city', change: 'changed', before: 'string not null', after: 'string' },
        { name: 'note', change: 'added', after: 'string' },
        { name: 'old', change: 'removed', before: 'bool' },
      ],
      key: { before: 'id', after: 'id, city' },
    });
  });
  it('of a stream that is new or gone is all of it', () => {
    expect(shapeDiff(undefined, before).columns.map((c) => c.change)).toEqual(['added', 'added', 'added']);
    expect(shapeDiff(before, undefined).columns.map((c) => c.change)).toEqual(['removed', 'removed', 'removed']);
  });
});

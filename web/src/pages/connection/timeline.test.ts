import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../api/client';
import { moved, unknownStream, type StreamCounters } from './liveStreams';
import { shapeDiff } from './shape';
import { auditEntry, driftEntry, eventEntry, fieldChanges, merge, syncEntry, type Entry } from './timeline';

const entry = (key: string, at: string): Entry => ({ key, at, kind: 'change', tone: 'waiting', what: key });
const sync: Schemas['Sync'] = {
  id: 'syn_1', connection_id: 'con_1', trigger: 'manual', kind: 'manual', state: 'ended', outcome: 'failed', region: '', attempts: 3, queued_at: '2026-11-21T10:00:00Z', started_at: '2026-11-21T10:00:01Z', ended_at: '2026-11-21T10:00:13Z',
  cancel_requested: false, rows: 1250, bytes: 1, rejected: 1, deleted: 0, schema_changes: 0, warnings: 0, log_lines: 1, error: { class: 'auth', code: 'x', message: 'm', retryable: false },
};

describe('the timeline', () => {
  it('is one list, the latest first', () => {
    const { entries, more } = merge([{ entries: [entry('c', '2026-11-03T00:00:00Z'), entry('a', '2026-11-01T00:00:00Z')], more: false }, { entries: [entry('b', '2026-11-02T00:00:00Z')], more: false }]);
    expect(entries.map((e) => e.key)).toEqual(['c', 'b', 'a']);
    expect(more).toBe(false);
  });
  it('holds back what a list that has more may still come before', () => {
    const { entries, more } = merge([{ entries: [entry('d', '2026-11-04T00:00:00Z'), entry('c', '2026-11-03T00:00:00Z')], more: true }, { entries: [entry('b', '2026-11-02T00:00:00Z'), entry('a', '2026-11-01T00:00:00Z')], more: false }]);
    expect(entries.map((e) => e.key)).toEqual(['d', 'c']);
    expect(more).toBe(true);
  });
  it('shows nothing before a list that has not said anything yet', () => {
    expect(merge([{ entries: [], more: true }, { entries: [entry('a', '2026-11-01T00:00:00Z')], more: false }]).entries).toEqual([]);
  });
  it('says of a sync how it went', () => {
    expect(syncEntry(sync)).toMatchObject({ what: 'Sync failed', tone: 'down', more: '1.25 k rows · in 12 s · 1 rejected record · 3 attempts · asked for by hand' });
    expect(syncEntry({ ...sync, state: 'queued', outcome: undefined, started_at: undefined, ended_at: undefined, rows: 0, error: undefined })).toMatchObject({ what: 'Sync is queued', at: '2026-11-21T10:00:00Z' });
  });
  it('has an entry of an event only where no other list tells it', () => {
    const e = { id: 4, at: '2026-11-21T10:00:00Z', data: { by: 'ann' } };
    expect(eventEntry({ ...e, type: 'sync.ended' })).toBeNull();
    expect(eventEntry({ ...e, type: 'connection.drift' })).toBeNull();
    expect(eventEntry({ ...e, type: 'connection.pause' })).toMatchObject({ what: 'Paused', more: 'by ann', kind: 'change' });
    expect(eventEntry({ ...e, type: 'incident.opened', data: { title: 'away' } })).toMatchObject({ what: 'Incident opened: away', kind: 'health', tone: 'down' });
  });
  it('tells of a change what it was, and of a refused one that it was', () => {
    const a: Schemas['AuditEntry'] = { id: 1, at: '2026-11-21T10:00:00Z', action: 'connection.update', object_type: 'connection', outcome: 'forbidden', before: { name: 'a' }, after: { name: 'b' } };
    expect(auditEntry(a)).toMatchObject({ what: 'Settings changed: refused (forbidden)', change: { before: { name: 'a' } } });
    expect(fieldChanges({ a: 1, b: [1], c: 'x' }, { b: [2], c: 'x', d: true })).toEqual([{ field: 'a', before: '1', after: '' }, { field: 'b', before: '[1]', after: '[2]' }, { field: 'd', before: '', after: 'true' }]);
  });
  it('tells of drift what happened to what', () => {
    const d: Schemas['Drift'] = { id: 'd', at: '2026-11-21T10:00:00Z', connection_id: 'c', sync_id: 's', kind: 'column_added', column: 'x', stream: { namespace: 'public', name: 'orders' }, state: 'pending' };
    expect(driftEntry(d)).toMatchObject({ what: 'New column: public.orders.x', more: 'waits for a decision', tone: 'action' });
    expect(driftEntry({ ...d, kind: 'something_else', column: undefined }).what).toBe('Something else: public.orders');
  });
});

describe('shapes', () => {
  const shape = (...columns: [string, string, boolean?][]) => ({ columns: columns.map(([name, type, nullable = true]) => ({ name, type, nullable })) });
  it('differ by column', () => {
    expect(shapeDiff(shape(['a', 'int32'], ['b', 'string'], ['c', 'string', false]), shape(['a', 'int64'], ['c', 'string'], ['d', 'json'])).columns).toEqual([
      { name: 'a', change: 'changed', before: 'int32', after: 'int64' },
      { name: 'c', change: 'changed', before: 'string not null', after: 'string' },
      { name: 'd', change: 'added', after: 'json' },
      { name: 'b', change: 'removed', before: 'string' },
    ]);
  });
  it('may be new, or gone', () => {
    expect(shapeDiff(undefined, shape(['a', 'bool'])).columns).toEqual([{ name: 'a', change: 'added', after: 'bool' }]);
    expect(shapeDiff(shape(['a', 'bool']), undefined).columns).toEqual([{ name: 'a', change: 'removed', before: 'bool' }]);
    expect(shapeDiff({ ...shape(), key: ['a'] }, { ...shape(), key: ['a', 'b'] }).key).toEqual({ before: 'a', after: 'a, b' });
  });
});

describe('live counters', () => {
  const counters = [{ stream: { namespace: '', name: 'orders' }, phase: 'waiting', rows: 0, bytes: 0, committed: 0, total: 9 }, { stream: { namespace: '', name: 'items' }, phase: 'done', rows: 3, bytes: 1, committed: 3, total: 3 }] as StreamCounters[];
  const event = (sync: string, name: string) => ({ id: 1, at: '2026-11-21T10:00:00Z', type: 'sync.progress', sync_id: sync, data: { moved: [{ name, phase: 'reading', rows: 5, bytes: 50, committed: 2 }] } });
  it('move with what the events of their sync say', () => {
    expect(moved(counters, [event('s', 'orders')], 's')).toEqual([{ ...counters[0], phase: 'reading', rows: 5, bytes: 50, committed: 2, total: 9 }, counters[1]]);
    expect(moved(counters, [event('other', 'orders')], 's')).toBe(counters);
  });
  it('are read anew when a stream comes that they do not have', () => {
    expect(unknownStream(counters, [event('s', 'new')], 's')).toBe(true);
    expect(unknownStream(counters, [event('s', 'orders'), event('other', 'new')], 's')).toBe(false);
  });
});

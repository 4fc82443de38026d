import { describe, expect, it } from 'vitest';
import { changedBy, mergeRows, type FleetRow } from '../../api/fleet';
import { parseLabel } from '../../ui/labels';
import { actOnAll } from './bulk';
import { choices, matches, rowStatus, shown, stripCells, stripLabel, tally } from './rows';

const row = (id: string, more: Partial<FleetRow> = {}): FleetRow => ({
  id, name: id, source_id: 'src_1', source_name: 'shop', connector: 'shop', destination_id: 'dst_1', destination_name: 'warehouse', destination_kind: 'duckdb',
  schedule: { every: '1h' }, setup_state: 'connected', sync_state: 'scheduled', freshness: 'on_schedule',
  last_sync: { id: 's', outcome: 'succeeded', ended_at: '2026-11-21T10:00:00Z', rows: 10, seconds: 2 }, last_success_at: '2026-11-21T10:00:00Z', ...more,
});
const failing = row('b', { failures_in_row: 2, failure: { class: 'transient', code: 'shop_unavailable', message: 'away' }, team: 'sales' });
const refused = row('c', { failures_in_row: 1, failure: { class: 'auth', code: 'shop_auth', message: 'no' }, labels: { env: 'prod' } });
const paused = row('d', { sync_state: 'paused', paused: true, failures_in_row: 3 });
const rows = [row('a2'), row('a10'), failing, refused, paused];

describe('the list', () => {
  it('puts first what wants attention, then goes by name with numbers as numbers', () => {
    expect(shown(rows, {}).map((r) => r.id)).toEqual(['c', 'b', 'a2', 'a10', 'd']);
  });
  it('calls nothing healthy that never ran', () => {
    expect(rowStatus(row('n', { last_sync: undefined, last_success_at: undefined }))).toBe('new');
    expect(rowStatus(rows[0]!)).toBe('healthy');
    expect(rowStatus(paused)).toBe('paused');
  });
  it.each([
    [{ q: 'SHOP_un' }, ['b']],
    [{ q: 'env=prod shop' }, ['c']],
    [{ status: 'degraded,needs_action' }, ['c', 'b']],
    [{ team: 'sales', label: 'env=prod' }, []],
    [{ sort: '-name' }, ['d', 'c', 'b', 'a10', 'a2']],
    [{ sort: 'nonsense', q: 'a' }, ['a2', 'a10', 'b', 'c', 'd']],
  ])('is as its address says: %o', (url, ids) => {
    expect(shown(rows, url).map((r) => r.id)).toEqual(ids);
  });
  it('finds a search only where all its words are', () => {
    expect(matches(refused, 'prod nowhere')).toBe(false);
    expect(matches(refused, '')).toBe(true);
  });
  it('sorts what is not known to the end of next runs', () => {
    const a = row('a', { next_run_at: '2026-11-21T12:00:00Z' });
    const b = row('b');
    expect(shown([b, a], { sort: 'next' }).map((r) => r.id)).toEqual(['a', 'b']);
  });
  it('offers what there is', () => {
    expect(choices(rows, 'label')).toEqual([{ value: 'env=prod', label: 'env=prod' }]);
    expect(choices(rows, 'source', (_, r) => r.source_name)).toEqual([{ value: 'src_1', label: 'shop' }]);
    expect(tally(rows)).toEqual([{ status: 'needs_action', count: 1 }, { status: 'degraded', count: 1 }, { status: 'healthy', count: 2 }, { status: 'paused', count: 1 }]);
  });
  it('shows ten thousand within a few milliseconds', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => row(`c${i}`, i % 9 === 0 ? { failures_in_row: 1 } : {}));
    const from = performance.now();
    expect(shown(many, { q: 'c', sort: 'name' })).toHaveLength(10_000);
    expect(performance.now() - from).toBeLessThan(400);
  });
});

describe('strips', () => {
  it('have a cell for each day, and words', () => {
    const cells = stripCells('-sf', '2026-11-19', 3);
    expect(cells).toEqual([{ title: '2026-11-19: no sync ended' }, { status: 'succeeded', title: '2026-11-20: all syncs succeeded' }, { status: 'failed', title: '2026-11-21: all syncs failed' }]);
    expect(stripLabel('-sfs')).toBe('Last 30 days: 2 good, 0 with warnings, 0 partly failed, 1 failed');
    expect(stripLabel(undefined)).toBe('Last 30 days: no syncs');
  });
});

describe('live rows', () => {
  it('takes new rows in, puts changed ones in their places and leaves out what is gone', () => {
    const next = mergeRows(rows, ['b', 'c', 'z'], [row('b', { name: 'new name' }), row('z')]);
    expect(next.map((r) => r.id)).toEqual(['a2', 'a10', 'b', 'd', 'z']);
    expect(next[2]?.name).toBe('new name');
    expect(next[0]).toBe(rows[0]);
  });
  it('reads no row anew for progress alone', () => {
    const e = { id: 1, at: '2026-11-21T10:00:00Z', data: {} };
    expect(changedBy([{ ...e, type: 'sync.progress', connection_id: 'a' }, { ...e, type: 'sync.ended', connection_id: 'b' }, { ...e, type: 'sync.started', connection_id: 'b' }, { ...e, type: 'source.checked' }])).toEqual(['b']);
  });
});

describe('bulk', () => {
  it('does all, whatever fails, and says of each how it went', async () => {
    const results: string[] = [];
    let running = 0;
    let most = 0;
    const items = Array.from({ length: 20 }, (_, i) => ({ id: String(i), name: `n${i}` }));
    await actOnAll(
      items,
      async (item) => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        if (item.id === '3') throw new Error('refused');
        return 'ok';
      },
      (r) => results.push(r.error ? `${r.id} ${r.error.message}` : `${r.id} ${r.done}`),
      4,
    );
    expect(results).toHaveLength(20);
    expect(results).toContain('3 refused');
    expect(most).toBeLessThanOrEqual(4);
  });
  it.each([['env=prod', { key: 'env', value: 'prod' }], [' a = b c ', { key: 'a', value: 'b c' }], ['env', null], ['=x', null], ['env=', null]])('reads the label %j', (text, label) => {
    expect(parseLabel(text)).toEqual(label);
  });
});

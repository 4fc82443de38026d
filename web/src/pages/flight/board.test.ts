import { describe, expect, it } from 'vitest';
import type { FleetRow } from '../../api/fleet';
import { causes, groupRows, labelKeys, late, running, sameGroups, tally, waits } from './board';

let n = 0;
function row(more: Partial<FleetRow>): FleetRow {
  n++;
  return {
    id: `con_${n}`, name: `connection ${n}`, connector: 'shop', source_id: 's', source_name: 'shop', destination_id: 'd', destination_name: 'warehouse', destination_kind: 'duckdb',
    setup_state: 'connected', sync_state: 'scheduled', freshness: 'on_schedule', schedule: { every: '1h' },
    last_sync: { id: 'syn_0', outcome: 'succeeded', ended_at: '2026-11-21T08:00:00Z', rows: 1, seconds: 1 }, ...more,
  };
}
const failing = (code: string, state: 'degraded' | 'down' | 'needs_action', since: string, more: Partial<FleetRow> = {}): FleetRow =>
  row({ failures_in_row: 2, failure: { class: 'transient', code, message: 'it failed' }, health: { state, since }, ...more });
const sync = (state: 'queued' | 'running' | 'retrying', at: string) => ({ id: `syn_${++n}`, kind: 'incremental' as const, queued_at: at, due_at: at, started_at: at, state, trigger: 'schedule' as const });

describe('groups', () => {
  it('stay the same objects while their rows do', () => {
    const [a, b, c] = [row({ team: 'x' }), row({ team: 'y' }), row({ team: 'y' })];
    const before = groupRows([a, b, c], 'team');
    const changed = { ...c, sync_state: 'queued' as const };
    const after = sameGroups(before, groupRows([a, b, changed], 'team'));
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
    expect(after[1]!.rows).toContain(changed);
  });
});

describe('the board', () => {
  it('counts every connection in one status, and what it does apart', () => {
    const rows = [row({}), row({ sync_state: 'syncing', sync: sync('running', '2026-11-21T10:00:00Z') }), failing('x', 'down', '2026-11-21T09:00:00Z', { sync_state: 'syncing', sync: sync('running', '2026-11-21T10:00:00Z') }), row({ paused: true, sync_state: 'paused', freshness: 'delayed' }), row({ freshness: 'delayed' }), row({ last_sync: undefined })];
    const t = tally(rows);
    expect(t).toMatchObject({ all: 6, running: 2, down: 1, paused: 1, late: 1, healthy: 3 });
    expect(t.healthy + t.degraded + t.down + t.needsAction + t.paused).toBe(5);
  });

  it('puts what fails alike together, the worst first', () => {
    const found = causes([failing('a', 'degraded', '2026-11-21T09:00:00Z'), failing('a', 'degraded', '2026-11-21T08:00:00Z'), failing('a', 'degraded', '2026-11-21T09:30:00Z', { connector: 'rest' }), failing('b', 'down', '2026-11-21T07:00:00Z'), row({})]);
    expect(found.map((c) => [c.code, c.connector, c.status, c.rows.length])).toEqual([['b', 'shop', 'down', 1], ['a', 'shop', 'degraded', 2], ['a', 'rest', 'degraded', 1]]);
    expect(new Date(found[1]!.since).toISOString()).toBe('2026-11-21T08:00:00.000Z');
    expect(found[0]!.message).toBe('It failed.');
  });

  it('says why things wait', () => {
    const found = waits([row({ sync_state: 'queued', waiting: 'no worker in region eu', sync: sync('queued', '2026-11-21T10:00:00Z') }), row({ sync_state: 'queued', waiting: 'no worker in region eu', sync: sync('queued', '2026-11-21T09:00:00Z') }), row({ sync_state: 'rescheduled' }), row({})]);
    expect(found.map((w) => [w.reason, w.rows.length])).toEqual([['No worker in region eu.', 2], ['Its source’s quota is used up.', 1]]);
    expect(found[0]!.since).toBe(Date.parse('2026-11-21T09:00:00Z'));
  });

  it('keeps the order of what runs and shows the longest delays first', () => {
    const a = row({ sync: sync('running', '2026-11-21T10:00:00Z') });
    const b = row({ sync: sync('running', '2026-11-21T09:00:00Z') });
    expect(running([a, b, row({ sync: sync('retrying', '2026-11-21T09:00:00Z') })]).map((r) => r.id)).toEqual([b.id, a.id]);
    const c = row({ freshness: 'delayed', delayed_at: '2026-11-21T09:00:00Z' });
    const d = row({ freshness: 'delayed', delayed_at: '2026-11-20T09:00:00Z' });
    expect(late([c, d]).map((r) => r.id)).toEqual([d.id, c.id]);
  });

  it('groups by anything, what has none last', () => {
    const rows = [row({ team: 'b', labels: { env: 'prod' } }), row({}), row({ team: 'a', labels: { env: 'prod', tier: '1' } })];
    expect(groupRows(rows, 'team').map((g) => g.name)).toEqual(['a', 'b', '']);
    expect(groupRows(rows, 'env').map((g) => [g.name, g.rows.length])).toEqual([['prod', 2], ['', 1]]);
    expect(labelKeys(rows)).toEqual(['env', 'tier']);
  });
});

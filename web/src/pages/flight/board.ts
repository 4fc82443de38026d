import type { FleetRow } from '../../api/fleet';
import { sentence } from '../../ui/States';
import { byName, rowStatus } from '../connections/rows';

/** What shows of a fleet at a glance. */
export interface Tally {
  all: number;
  running: number;
  waiting: number;
  late: number;
  healthy: number;
  degraded: number;
  down: number;
  needsAction: number;
  paused: number;
}

export const isRunning = (r: FleetRow): boolean => r.sync?.state === 'running';
export const isWaiting = (r: FleetRow): boolean => r.sync?.state === 'queued' || r.sync_state === 'rescheduled' || r.sync?.state === 'retrying';
export const isLate = (r: FleetRow): boolean => r.freshness === 'delayed' && !r.paused;

export function tally(rows: readonly FleetRow[]): Tally {
  const t: Tally = { all: rows.length, running: 0, waiting: 0, late: 0, healthy: 0, degraded: 0, down: 0, needsAction: 0, paused: 0 };
  for (const r of rows) {
    if (isRunning(r)) t.running++;
    if (isWaiting(r)) t.waiting++;
    if (isLate(r)) t.late++;
    switch (rowStatus(r)) {
      case 'down':
        t.down++;
        break;
      case 'needs_action':
        t.needsAction++;
        break;
      case 'degraded':
        t.degraded++;
        break;
      case 'paused':
        t.paused++;
        break;
      case 'new':
        break;
      default:
        t.healthy++;
    }
  }
  return t;
}

/** Connections that fail alike: by connector, code and stream, as the health tracker has it. */
export interface Cause {
  key: string;
  code: string;
  connector: string;
  class: string;
  message: string;
  stream: string;
  runbook: string | undefined;
  incident: string | undefined;
  /** The worst status among them. */
  status: 'down' | 'needs_action' | 'degraded';
  since: number;
  rows: FleetRow[];
}

const rank = { down: 0, needs_action: 1, degraded: 2 };

/** What fails, by cause: the worst first, then what holds most connections. */
export function causes(rows: readonly FleetRow[]): Cause[] {
  const found = new Map<string, Cause>();
  for (const r of rows) {
    const status = rowStatus(r);
    if (!(status in rank)) continue;
    const bad = status as Cause['status'];
    const f = r.failure;
    const code = f?.code ?? (r.freshness === 'delayed' ? 'late' : (r.health?.state ?? bad));
    const key = [r.connector, code, f?.stream ?? ''].join('\n');
    const since = Date.parse(r.health?.since ?? f?.at ?? r.delayed_at ?? r.last_sync?.ended_at ?? '');
    const c = found.get(key);
    if (!c) {
      found.set(key, {
        key, code, connector: r.connector, class: f?.class ?? '', stream: f?.stream ?? '', runbook: f?.runbook, incident: r.health?.incident_id,
        message: sentence(f?.message ?? r.health?.reason ?? 'No sync has succeeded for longer than the objective'), status: bad, since, rows: [r],
      });
      continue;
    }
    c.rows.push(r);
    c.runbook ??= f?.runbook;
    c.incident ??= r.health?.incident_id;
    if (rank[bad] < rank[c.status]) c.status = bad;
    if (since < c.since || Number.isNaN(c.since)) c.since = since;
  }
  return [...found.values()].sort((a, b) => rank[a.status] - rank[b.status] || b.rows.length - a.rows.length || a.key.localeCompare(b.key));
}

export interface Wait {
  reason: string;
  /** When the first of them was due. */
  since: number;
  rows: FleetRow[];
}

/** What waits, by why: what holds most first. */
export function waits(rows: readonly FleetRow[]): Wait[] {
  const found = new Map<string, Wait>();
  for (const r of rows) {
    if (!isWaiting(r)) continue;
    const reason = sentence(r.waiting ?? (r.sync_state === 'rescheduled' ? 'its source’s quota is used up' : r.sync?.state === 'retrying' ? 'an attempt failed, and the next one comes by itself' : 'its turn has not come'));
    const since = Date.parse(r.sync?.due_at ?? r.sync?.queued_at ?? '');
    const w = found.get(reason);
    if (w) {
      w.rows.push(r);
      if (since < w.since || Number.isNaN(w.since)) w.since = since;
    } else found.set(reason, { reason, since, rows: [r] });
  }
  return [...found.values()].sort((a, b) => b.rows.length - a.rows.length);
}

/** What is late, the longest first. */
export function late(rows: readonly FleetRow[]): FleetRow[] {
  return rows.filter(isLate).sort((a, b) => Date.parse(a.delayed_at ?? '') - Date.parse(b.delayed_at ?? ''));
}

/** What runs: in the order of beginning, so that nothing jumps. */
export function running(rows: readonly FleetRow[]): FleetRow[] {
  return rows.filter(isRunning).sort((a, b) => (a.sync?.started_at ?? '').localeCompare(b.sync?.started_at ?? '') || a.id.localeCompare(b.id));
}

export interface Group {
  name: string;
  rows: FleetRow[];
}

/** The groups, those that are as before being the very ones of before: only others are drawn anew. */
export function sameGroups(before: readonly Group[], now: readonly Group[]): Group[] {
  const old = new Map(before.map((g) => [g.name, g]));
  return now.map((g) => {
    const was = old.get(g.name);
    return was && was.rows.length === g.rows.length && was.rows.every((r, i) => r === g.rows[i]) ? was : g;
  });
}

/** What the map can be grouped by; further ones are keys of labels. */
export const groupings = ['team', 'connector', 'region', 'destination', 'source'] as const;

const groupOf = (r: FleetRow, by: string): string => {
  switch (by) {
    case 'team':
      return r.team ?? '';
    case 'connector':
      return r.connector;
    case 'region':
      return r.region ?? '';
    case 'destination':
      return r.destination_name;
    case 'source':
      return r.source_name;
    default:
      return r.labels?.[by] ?? '';
  }
};

/** Groups in alphabetical order, what has none last; within, by name. */
export function groupRows(rows: readonly FleetRow[], by: string): Group[] {
  const found = new Map<string, FleetRow[]>();
  for (const r of rows) {
    const name = groupOf(r, by);
    const group = found.get(name);
    if (group) group.push(r);
    else found.set(name, [r]);
  }
  const compare = new Intl.Collator('en', { numeric: true }).compare;
  return [...found].map(([name, list]) => ({ name, rows: list.sort(byName) })).sort((a, b) => Number(a.name === '') - Number(b.name === '') || compare(a.name, b.name));
}

/** Keys of labels that the rows have, the most frequent first. */
export function labelKeys(rows: readonly FleetRow[]): string[] {
  const seen = new Map<string, number>();
  for (const r of rows) for (const k of Object.keys(r.labels ?? {})) seen.set(k, (seen.get(k) ?? 0) + 1);
  return [...seen].sort((a, b) => b[1] - a[1]).slice(0, 12).map(([k]) => k);
}

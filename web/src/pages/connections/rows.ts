import type { FleetRow } from '../../api/fleet';
import { labelTexts } from '../../ui/labels';
import { healthOf, statusOf, statusWord, type Health } from '../../ui/status';
import { listOf, type Url } from '../../ui/useUrl';

/** The axes of a row in the words of a connection's status. */
function axes(row: FleetRow) {
  return {
    setup_state: row.setup_state,
    sync_state: row.sync_state,
    freshness: row.freshness,
    failures_in_row: row.failures_in_row ?? 0,
    last_failure: row.failure && { ...row.failure, retryable: false },
    health: row.health?.state,
  };
}

const statuses = new WeakMap<FleetRow, string>();

/** The one status of a row: what wants attention first. What never ran is not called healthy. */
export function rowStatus(row: FleetRow): string {
  let status = statuses.get(row);
  if (status === undefined) {
    status = statusOf(axes(row));
    if (status === 'healthy' && !row.last_sync && !row.last_success_at) status = 'new';
    statuses.set(row, status); // rows are never changed, only replaced
  }
  return status;
}

export const rowHealth = (row: FleetRow): Health => healthOf(axes(row));

/** What wants attention first is first. */
const severity = ['down', 'needs_action', 'degraded', 'rescheduled', 'queued', 'syncing', 'new', 'healthy', 'paused'];

const rank = new Map(severity.map((s, i) => [s, i]));

const instant = (at: string | undefined, missing: number): number => (at ? Date.parse(at) : missing);

const sortKeys = new Map<string, string>();

/** A text that sorts as people sort names: whatever the case, numbers as numbers. A collator takes ten times as long. */
function sortKey(name: string): string {
  let key = sortKeys.get(name);
  if (key === undefined) {
    if (sortKeys.size > 50_000) sortKeys.clear();
    key = name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, '0'));
    sortKeys.set(name, key);
  }
  return key;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** By their names, as people sort. */
export const byName = (a: FleetRow, b: FleetRow): number => byText(sortKey(a.name), sortKey(b.name));

const orders: Record<string, (a: FleetRow, b: FleetRow) => number> = {
  name: byName,
  status: (a, b) => (rank.get(rowStatus(a)) ?? 0) - (rank.get(rowStatus(b)) ?? 0),
  fresh: (a, b) => instant(a.last_success_at, 0) - instant(b.last_success_at, 0),
  last: (a, b) => instant(a.last_sync?.ended_at, 0) - instant(b.last_sync?.ended_at, 0),
  next: (a, b) => instant(a.next_run_at, Infinity) - instant(b.next_run_at, Infinity) || 0,
  rows: (a, b) => (a.last_sync?.rows ?? -1) - (b.last_sync?.rows ?? -1),
};

/** Whether a row has all the words of a search, anywhere. */
export function matches(row: FleetRow, search: string): boolean {
  if (search === '') return true;
  const text = [row.name, row.source_name, row.destination_name, row.connector, row.destination_kind, row.team ?? '', row.id, row.failure?.code ?? '', ...labelTexts(row.labels)].join('\n').toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** What a filter looks at; a row passes with any of the chosen values. */
const facets: Record<string, (row: FleetRow) => readonly string[]> = {
  status: (r) => [rowStatus(r)],
  fresh: (r) => [r.freshness],
  connector: (r) => [r.connector],
  source: (r) => [r.source_id],
  destination: (r) => [r.destination_id],
  team: (r) => [r.team ?? ''],
  region: (r) => [r.region ?? ''],
  label: (row) => labelTexts(row.labels),
};

/** The rows that the filters of an address let through, in the order that they have. */
export function filtered(rows: readonly FleetRow[], url: Url): FleetRow[] {
  const wanted = Object.entries(facets)
    .map(([name, of]) => ({ of, values: new Set(listOf(url[name])) }))
    .filter((f) => f.values.size > 0);
  const search = url.q?.trim() ?? '';
  return rows.filter((r) => matches(r, search) && wanted.every((f) => f.of(r).some((v) => f.values.has(v))));
}

/** The rows that an address shows, in its order. */
export function shown(rows: readonly FleetRow[], url: Url): FleetRow[] {
  const out = filtered(rows, url);
  const sort = url.sort ?? 'status';
  const order = orders[sort.replace(/^-/, '')] ?? orders.name!;
  const sign = sort.startsWith('-') ? -1 : 1;
  return out.sort((a, b) => sign * order(a, b) || orders.name!(a, b));
}

export interface Choice {
  value: string;
  label: string;
}

/** The values that a filter can choose among, from what is there. */
export function choices(rows: readonly FleetRow[], name: string, label: (value: string, row: FleetRow) => string = (v) => v): Choice[] {
  const seen = new Map<string, string>();
  const of = facets[name];
  if (!of) return [];
  for (const r of rows) for (const v of of(r)) if (v !== '' && !v.includes(',') && !seen.has(v)) seen.set(v, label(v, r));
  return [...seen].map(([value, text]) => ({ value, label: text })).sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }));
}

/** Connections to choose among; what is chosen and not there, too, by its id. */
export function connectionChoices(rows: readonly FleetRow[], chosen: readonly string[]): Choice[] {
  const there = new Set(rows.map((r) => r.id));
  return [...rows.map((r) => ({ value: r.id, label: r.name })), ...chosen.filter((id) => id !== '' && !there.has(id)).map((id) => ({ value: id, label: id }))];
}

/** How many rows are in each status, what wants attention first. */
export function tally(rows: readonly FleetRow[]): { status: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const r of rows) {
    const s = rowStatus(r);
    counts.set(s, (counts.get(s) ?? 0) + 1);
  }
  return severity.filter((s) => counts.has(s)).map((s) => ({ status: s, count: counts.get(s)! }));
}

/** The letters of a strip of days as statuses and words: see get-fleet-days. */
const letters: Record<string, { status?: string; word: string }> = {
  '-': { word: 'no sync ended' },
  s: { status: 'succeeded', word: 'all syncs succeeded' },
  w: { status: 'succeeded_with_warnings', word: 'some succeeded with warnings' },
  r: { status: 'rescheduled', word: 'only rescheduled for a quota' },
  c: { status: 'cancelled', word: 'only cancelled' },
  p: { status: 'succeeded_with_warnings', word: 'some failed, others succeeded' },
  f: { status: 'failed', word: 'all syncs failed' },
};

/** The cells of a strip: first is the UTC day of its first letter. */
export function stripCells(strip: string | undefined, first: string, days: number): { status?: string; title: string }[] {
  const start = Date.parse(`${first}T00:00:00Z`);
  return Array.from({ length: days }, (_, i) => {
    const letter = letters[strip?.[i] ?? '-'] ?? letters['-']!;
    const day = new Date(start + i * 86_400_000).toISOString().slice(0, 10);
    return { ...(letter.status ? { status: letter.status } : {}), title: `${day}: ${letter.word}` };
  });
}

/** A strip in one sentence, for who cannot see it. */
export function stripLabel(strip: string | undefined): string {
  const all = strip ?? '';
  const of = (set: string) => [...all].filter((l) => set.includes(l)).length;
  if (of('swrcpf') === 0) return 'Last 30 days: no syncs';
  return `Last 30 days: ${of('s')} good, ${of('w')} with warnings, ${of('p')} partly failed, ${of('f')} failed`;
}

/** The words of the status filter, what wants attention first. */
export const statusChoices: Choice[] = severity.map((s) => ({ value: s, label: statusWord(s).word }));

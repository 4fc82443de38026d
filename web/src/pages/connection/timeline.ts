import type { Schemas } from '../../api/client';
import { duration, plural, short, streamName } from '../../ui/format';
import { statusWord, type Tone } from '../../ui/status';

/** What an entry of a timeline is about; the filter goes by it. */
export type Kind = 'sync' | 'change' | 'drift' | 'state' | 'health';

export interface Entry {
  key: string;
  at: string;
  kind: Kind;
  tone: Tone;
  /** What happened, as a sentence without its full stop. */
  what: string;
  /** Numbers, or who did it. */
  more?: string;
  sync?: Schemas['Sync'];
  drift?: Schemas['Drift'];
  /** How it was and became, where one may see it. */
  change?: { before: Record<string, unknown>; after: Record<string, unknown> };
  failure?: Schemas['Failure'];
}

export const kinds: readonly { value: Kind; label: string }[] = [
  { value: 'sync', label: 'Syncs' },
  { value: 'change', label: 'Changes' },
  { value: 'drift', label: 'Drift' },
  { value: 'state', label: 'State' },
  { value: 'health', label: 'Health' },
];

const triggers: Record<string, string> = { schedule: 'by its schedule', manual: 'asked for by hand', dependency: 'after what it depends on', retry: 'as a retry', resync: 'as a re-sync' };

export const triggerWords = (trigger: string): string => triggers[trigger] ?? trigger;

export function syncEntry(s: Schemas['Sync']): Entry {
  const status = s.outcome ?? s.state;
  const took = s.started_at && s.ended_at ? duration(Date.parse(s.ended_at) - Date.parse(s.started_at)) : undefined;
  const more = [
    s.state === 'ended' || s.rows > 0 ? `${short(s.rows)} rows` : undefined,
    took && `in ${took}`,
    s.rejected > 0 ? plural(s.rejected, 'rejected record') : undefined,
    s.warnings > 0 ? plural(s.warnings, 'warning') : undefined,
    s.attempts > 1 ? plural(s.attempts, 'attempt') : undefined,
    triggerWords(s.trigger),
  ];
  return {
    key: s.id, at: s.ended_at ?? s.started_at ?? s.queued_at, kind: 'sync', tone: statusWord(status).tone, sync: s,
    what: s.state === 'ended' ? `Sync ${statusWord(status).word.toLowerCase()}` : s.state === 'running' ? 'Sync is running' : s.state === 'retrying' ? 'Sync waits for its next attempt' : 'Sync is queued',
    more: more.filter(Boolean).join(' · '), ...(s.error ? { failure: s.error } : {}),
  };
}

const driftKinds: Record<string, string> = {
  stream_added: 'New stream', stream_removed: 'Stream is gone', column_added: 'New column', column_removed: 'Column is gone', type_widened: 'Wider type', nullable: 'Column may be empty now', key_changed: 'Other primary key', schema_change_blocked: 'Blocked change',
};

export const driftWords = (d: Pick<Schemas['Drift'], 'kind' | 'column' | 'stream'>): string => {
  const word = driftKinds[d.kind] ?? d.kind.replaceAll('_', ' ').replace(/^./, (c) => c.toUpperCase());
  return `${word}: ${streamName(d.stream)}${d.column ? `.${d.column}` : ''}`;
};

const driftStates: Record<string, { more: string; tone: Tone }> = {
  applied: { more: 'came in by the policy', tone: 'healthy' },
  pending: { more: 'waits for a decision', tone: 'action' },
  approved: { more: 'approved', tone: 'healthy' },
  rejected: { more: 'rejected', tone: 'paused' },
};

export function driftEntry(d: Schemas['Drift']): Entry {
  const state = driftStates[d.state] ?? { more: d.state, tone: 'waiting' };
  return { key: d.id, at: d.at, kind: 'drift', tone: state.tone, what: driftWords(d), more: `${state.more}${d.decided_by ? ` by ${d.decided_by}` : ''}`, drift: d };
}

const verbs: Record<string, string> = {
  create: 'Set up', update: 'Settings changed', pause: 'Paused', resume: 'Resumed', sync: 'Sync asked for', cancel: 'Sync cancelled', resync: 'Re-sync planned', restore: 'State restored', erase: 'Deleted with its data', delete: 'Deleted',
  delayed: 'Delayed: the last success is older than its objective', opened: 'Incident opened', changed: 'Incident changed', closed: 'Incident closed',
};

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** An event beside syncs and drift; progress and syncs have no entry here. */
export function eventEntry(e: Schemas['Event']): Entry | null {
  const [object = '', verb = ''] = e.type.split('.');
  if (object === 'sync' || (object === 'connection' && verb === 'drift')) return null;
  const data = e.data as Record<string, unknown>;
  const by = textOf(data.by);
  const health = object === 'incident' || verb === 'delayed';
  const title = textOf(data.title) || textOf(data.cause);
  return {
    key: `e${e.id}`, at: e.at, kind: health ? 'health' : verb === 'resync' || verb === 'restore' ? 'state' : 'change',
    tone: object === 'incident' ? (verb === 'closed' ? 'healthy' : 'down') : verb === 'delayed' ? 'degraded' : verb === 'pause' ? 'paused' : 'waiting',
    what: `${verbs[verb] ?? e.type}${object === 'incident' && title ? `: ${title}` : ''}`, ...(by ? { more: `by ${by}` } : {}),
  };
}

/** An entry of the audit log: the same as its event, with before and after. */
export function auditEntry(a: Schemas['AuditEntry']): Entry {
  const verb = a.action.split('.').at(-1) ?? a.action;
  const refused = a.outcome !== 'done';
  return {
    key: `a${a.id}`, at: a.at, kind: verb === 'resync' || verb === 'restore' ? 'state' : 'change', tone: refused ? 'degraded' : verb === 'pause' ? 'paused' : 'waiting',
    what: `${verbs[verb] ?? a.action}${refused ? `: refused (${a.outcome})` : ''}`,
    more: `by ${a.actor_name ?? 'Sluice'}`,
    ...(!['sync', 'cancel', 'pause', 'resume'].includes(verb) && Object.keys(a.before).length + Object.keys(a.after).length > 0 ? { change: { before: a.before, after: a.after } } : {}),
  };
}

export interface Lane {
  entries: readonly Entry[];
  /** There is more, older than its last entry. */
  more: boolean;
}

/**
 * Several lists, each the latest first, as one. What is older than the end of a list
 * that has more is held back: something from there may belong before it.
 */
export function merge(lanes: readonly Lane[]): { entries: Entry[]; more: boolean } {
  const open = lanes.filter((l) => l.more);
  const floor = Math.max(-Infinity, ...open.map((l) => Date.parse(l.entries.at(-1)?.at ?? '9999-01-01T00:00:00Z')));
  const entries = lanes
    .flatMap((l) => l.entries)
    .filter((e) => Date.parse(e.at) >= floor)
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return { entries, more: open.length > 0 };
}

/** What differs between two objects, by the names of their fields, in one level. */
export function fieldChanges(before: Record<string, unknown>, after: Record<string, unknown>): { field: string; before: string; after: string }[] {
  const write = (v: unknown): string => (v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v));
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((field) => ({ field, before: write(before[field]), after: write(after[field]) })).filter((c) => c.before !== c.after);
}

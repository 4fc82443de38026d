import { useSyncExternalStore } from 'react';
import type { Event } from './events';

/** What is known of a sync that runs, from its latest event of progress. */
export interface Progress {
  syncId: string;
  connectionId: string;
  at: number;
  attempt: number;
  /** Rows and bytes read, rows committed, and rows expected (0: not known). */
  rows: number;
  bytes: number;
  committed: number;
  total: number;
  streams: number;
  done: number;
  failed: number;
  /** Rows and bytes a second, smoothed over about ten seconds. */
  rate: number;
  byteRate: number;
  /** Rates of the last two minutes at most, the oldest first. */
  rates: number[];
}

const kept = 60;

/** The next progress, from the one before and an event. Pure. */
export function advance(before: Progress | undefined, e: Event): Progress {
  const d = e.data as Partial<Record<'attempt' | 'rows' | 'bytes' | 'committed' | 'total' | 'streams' | 'done' | 'failed', number>>;
  const at = Date.parse(e.at);
  const next: Progress = {
    syncId: e.sync_id ?? '', connectionId: e.connection_id ?? '', at, attempt: d.attempt ?? 1,
    rows: d.rows ?? 0, bytes: d.bytes ?? 0, committed: d.committed ?? 0, total: d.total ?? 0,
    streams: d.streams ?? 0, done: d.done ?? 0, failed: d.failed ?? 0,
    rate: before?.rate ?? 0, byteRate: before?.byteRate ?? 0, rates: before?.rates ?? [],
  };
  const seconds = before ? (at - before.at) / 1000 : 0;
  if (!before || seconds <= 0 || next.rows < before.rows || next.attempt !== before.attempt) return next;
  const weight = 1 - Math.exp(-seconds / 5);
  next.rate = before.rate + weight * ((next.rows - before.rows) / seconds - before.rate);
  next.byteRate = before.byteRate + weight * ((next.bytes - before.bytes) / seconds - before.byteRate);
  next.rates = [...before.rates, next.rate].slice(-kept);
  return next;
}

/** Seconds until all expected rows are read, or null where nobody can know. */
export function eta(p: Pick<Progress, 'total' | 'rows' | 'rate'>): number | null {
  if (p.total <= 0 || p.rate <= 0 || p.rows >= p.total) return null;
  return (p.total - p.rows) / p.rate;
}

/** Progress of all running syncs, kept apart from the query cache: it moves every second. */
class ProgressStore {
  #bySync = new Map<string, Progress>();
  #listeners = new Set<() => void>();
  #version = 0;

  apply(events: readonly Event[]): void {
    let changed = false;
    for (const e of events) {
      if (!e.sync_id) continue;
      if (e.type === 'sync.progress') {
        this.#bySync.set(e.sync_id, advance(this.#bySync.get(e.sync_id), e));
        changed = true;
      } else if (e.type === 'sync.ended' && this.#bySync.delete(e.sync_id)) {
        changed = true;
      }
    }
    if (!changed) return;
    this.#version++;
    this.#listeners.forEach((listener) => listener());
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  version = (): number => this.#version;
  get = (sync: string): Progress | undefined => this.#bySync.get(sync);
}

export const progress = new ProgressStore();

/** The live progress of a sync; undefined until its first event came. */
export function useProgress(syncId: string | undefined): Progress | undefined {
  return useSyncExternalStore(progress.subscribe, () => (syncId ? progress.get(syncId) : undefined));
}

/** Draws again whenever the progress of any sync moves: for boards of all of them. */
export function useAllProgress(): (syncId: string) => Progress | undefined {
  useSyncExternalStore(progress.subscribe, progress.version);
  return progress.get;
}

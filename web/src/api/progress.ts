import { useSyncExternalStore } from 'react';
import type { Schemas } from './client';
import type { Event } from './events';

/** How far a running sync is, as its latest event says. */
export type Progress = Schemas['SyncProgress'] & {
  syncId: string;
  connectionId: string;
  /** Rows a second of the last minute and a half or so, the oldest first. */
  rates: readonly number[];
};

const kept = 90;

/** The next progress, from the one before and what the server says. Pure. */
export function advance(before: Progress | undefined, said: Schemas['SyncProgress'], syncId: string, connectionId: string): Progress {
  const rates = before?.attempt === said.attempt ? before.rates : [];
  return { ...said, syncId, connectionId, rates: [...rates, said.rows_per_second].slice(-kept) };
}

/** The share that is read, 0 to 1, or null where nobody knows how much there is. */
export function share(p: Pick<Schemas['SyncProgress'], 'total' | 'rows' | 'phase'>): number | null {
  if (p.phase === 'finishing') return 1;
  // Totals are estimates: who is past his is not at the end.
  return p.total && p.total > 0 && p.rows <= p.total ? p.rows / p.total : null;
}

/** Seconds until all that is expected is read, or null where nobody knows. */
export function eta(p: Pick<Schemas['SyncProgress'], 'total' | 'rows' | 'rows_per_second'>): number | null {
  if (!p.total || p.rows_per_second <= 0 || p.rows >= p.total) return null;
  return (p.total - p.rows) / p.rows_per_second;
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
        this.#bySync.set(e.sync_id, advance(this.#bySync.get(e.sync_id), e.data as unknown as Schemas['SyncProgress'], e.sync_id, e.connection_id ?? ''));
        changed = true;
      } else if (e.type === 'sync.ended' && this.#bySync.delete(e.sync_id)) {
        changed = true;
      }
    }
    if (changed) this.#tell();
  }

  #tell(): void {
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

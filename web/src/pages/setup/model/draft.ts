import { useCallback, useSyncExternalStore } from 'react';
import type { Schemas } from '../../../api/client';
import type { Url } from '../../../ui/useUrl';
import type { Config } from './schema';
import type { Choice } from './streams';

/** What was filled in of a source or destination that the server does not have yet; never a secret. */
export interface Begun {
  kind: string;
  name: string;
  config: Config;
}

/**
 * A set-up that was begun. Sources and destinations are kept by the server as soon
 * as they are saved; the rest is kept by this tab of the browser, without secrets.
 */
export interface Draft {
  /** The address of the step at which it was left. */
  at?: Url;
  source?: Begun;
  destination?: Begun;
  /** Of which source the choice of streams is. */
  choiceOf?: string;
  choice?: Choice;
  schedule?: Schemas['ScheduleSpec'];
  name?: string;
  schema?: string;
}

const place = 'sluice.setup';
const listeners = new Set<() => void>();
let draft: Draft = read();

function read(): Draft {
  try {
    return JSON.parse(sessionStorage.getItem(place) ?? '{}') as Draft;
  } catch {
    return {};
  }
}

function write(next: Draft): void {
  draft = next;
  try {
    if (Object.keys(next).length === 0) sessionStorage.removeItem(place);
    else sessionStorage.setItem(place, JSON.stringify(next));
  } catch {
    // The browser keeps nothing, or no more: the draft lives as long as the page.
  }
  listeners.forEach((l) => l());
}

const subscribe = (l: () => void) => {
  listeners.add(l);
  return () => listeners.delete(l);
};

/** The draft of this tab; `set` changes parts of it, `clear` forgets it. */
export function useDraft(): { draft: Draft; set: (change: Partial<Draft>) => void; clear: () => void } {
  const now = useSyncExternalStore(subscribe, () => draft);
  const set = useCallback((change: Partial<Draft>) => write({ ...draft, ...change }), []);
  const clear = useCallback(() => write({}), []);
  return { draft: now, set, clear };
}

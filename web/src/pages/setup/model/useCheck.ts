import { useCallback, useEffect, useRef, useState } from 'react';
import { asApiError, type ApiError, type Schemas } from '../../../api/client';
import { cancelOperation, checkSettings, follow, type Role } from './endpoints';
import type { Config } from './schema';

export type Check =
  /** Nothing to try yet. */
  | { phase: 'idle' }
  /** It starts when one stops typing. */
  | { phase: 'waiting' }
  | { phase: 'running'; operation?: Schemas['Operation']; since: number }
  | { phase: 'passed'; took: number }
  /** The other side did not let us in, or was not there. */
  | { phase: 'failed'; failure: Schemas['Failure'] }
  /** The server did not try: the settings are no settings. */
  | { phase: 'refused'; error: ApiError };

interface Wanted {
  role: Role;
  connector: string;
  config: Config;
  /** The object whose kept secrets are used where the settings leave them out. */
  id?: string;
  /** Whether the form is filled in so far that trying makes sense. */
  ready: boolean;
}

/** Milliseconds after the last key before settings are tried. */
const pause = 900;

/**
 * Tries settings as they are filled in, a moment after the last change; what was
 * begun for older settings is cancelled. `run` tries at once and says whether it passed.
 */
export function useCheck({ role, connector, config, id, ready }: Wanted): { check: Check; run: () => Promise<boolean> } {
  const wanted = JSON.stringify([role, connector, config, id ?? '']);
  const [state, setState] = useState<{ of: string; check: Check }>({ of: '', check: { phase: 'idle' } });
  const going = useRef<{ of: string; stop: AbortController; done: Promise<boolean> } | undefined>(undefined);

  const start = useCallback(() => {
    if (going.current?.of === wanted) return going.current.done;
    going.current?.stop.abort();
    const stop = new AbortController();
    const say = (check: Check) => {
      if (!stop.signal.aborted) setState({ of: wanted, check });
    };
    const done = attempt(role, connector, config, id, say, stop.signal);
    going.current = { of: wanted, stop, done };
    return done;
    // The settings are compared by their text: the same settings are the same check.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [wanted]);

  useEffect(() => {
    if (!ready) {
      going.current?.stop.abort();
      going.current = undefined;
      return;
    }
    if (going.current?.of === wanted) return;
    const timer = setTimeout(() => void start(), pause);
    return () => clearTimeout(timer);
  }, [ready, wanted, start]);
  useEffect(() => () => going.current?.stop.abort(), []);

  const check: Check = state.of === wanted ? state.check : { phase: ready ? 'waiting' : 'idle' };
  const run = useCallback(async () => {
    if (state.of === wanted && state.check.phase === 'passed') return true;
    // What failed is tried anew when somebody asks.
    if (state.of === wanted && (state.check.phase === 'failed' || state.check.phase === 'refused')) going.current = undefined;
    return start();
  }, [state, wanted, start]);
  return { check, run };
}

async function attempt(role: Role, connector: string, config: Config, id: string | undefined, say: (check: Check) => void, signal: AbortSignal): Promise<boolean> {
  const since = Date.now();
  say({ phase: 'running', since });
  let operation = '';
  try {
    const begun = await checkSettings(role, { name: `try ${connector}`, connector, config }, id);
    operation = begun.id;
    signal.throwIfAborted();
    const end = await follow(begun.id, (o) => say({ phase: 'running', operation: o, since }), signal);
    if (end.state === 'succeeded') {
      say({ phase: 'passed', took: Date.now() - since });
      return true;
    }
    say({ phase: 'failed', failure: end.error ?? { class: 'cancelled', code: 'cancelled', message: 'the check was cancelled', retryable: true } });
    return false;
  } catch (cause) {
    if (signal.aborted) {
      // Its answer interests nobody any more; that it may go on is no harm.
      if (operation) void cancelOperation(operation).catch(() => undefined);
      return false;
    }
    say({ phase: 'refused', error: asApiError(cause) });
    return false;
  }
}

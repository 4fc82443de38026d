import type { Schemas } from './client';
import { problemOf } from './client';
import { MessageParser } from './sse';

export type Event = Schemas['Event'];

/**
 * How the connection to the server is: `lost` only after it could not be made
 * again at once; `idle` while the page is not looked at, or nobody is signed in.
 */
export type StreamState = 'idle' | 'connecting' | 'live' | 'lost';

export interface StreamOptions {
  /** Gets events in their order, at most once per frame. */
  onEvents: (events: Event[]) => void;
  /** Events were missed for good: what is shown must be read anew. */
  onGap: () => void;
  onState: (state: StreamState, retryAt: number | null) => void;
  /** Nobody is signed in. */
  onSignedOut: () => void;
  fetch?: typeof fetch;
}

/** The server sends a comment every 15 seconds: silence longer than this is a dead line. */
const silence = 35_000;
/** So long a page may be hidden before its stream is put down: tabs share few connections. */
const hiddenFor = 60_000;

/**
 * The one stream of events of a page. It resumes after the last event that it
 * gave on, heals by itself (at once, then with growing pauses up to 10 s) and
 * loses nothing: what cannot be resumed is told by onGap. It reads with fetch, not
 * EventSource, since that hides statuses and the heartbeats that tell a dead line.
 */
export class EventStream {
  #options: StreamOptions;
  #last: string | null = null;
  #stopped = true;
  #failures = 0;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #pending: Event[] = [];
  #scheduled = false;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  /** Begins after the event of that id; null: with what happens from now on. */
  start(after: string | null): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#last = after;
    addEventListener('online', this.#now);
    document.addEventListener('visibilitychange', this.#look);
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    removeEventListener('online', this.#now);
    document.removeEventListener('visibilitychange', this.#look);
    clearTimeout(this.#timer);
    clearTimeout(this.#hiding);
    this.#abort?.abort();
    this.#options.onState('idle', null);
  }

  /** Tries at once, where it waits for its next try. */
  retry = (): void => this.#now();

  #now = (): void => {
    if (this.#stopped || this.#abort) return;
    clearTimeout(this.#timer);
    void this.#connect();
  };

  #look = (): void => {
    clearTimeout(this.#hiding);
    if (document.visibilityState === 'visible') {
      this.#failures = 0;
      this.#now();
    } else {
      this.#hiding = setTimeout(() => this.#abort?.abort(), hiddenFor);
    }
  };

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    if (this.#failures === 0) this.#options.onState('connecting', null);
    let watchdog = setTimeout(() => abort.abort(), silence);
    try {
      const response = await (this.#options.fetch ?? fetch)('/api/v1/events', {
        signal: abort.signal,
        headers: { Accept: 'text/event-stream', ...(this.#last ? { 'Last-Event-ID': this.#last } : {}) },
      });
      if (response.status === 401) {
        this.stop();
        this.#options.onSignedOut();
        return;
      }
      if (!response.ok || !response.body) throw await problemOf(response);
      this.#failures = 0;
      this.#options.onState('live', null);
      const parser = new MessageParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => abort.abort(), silence);
        for (const m of parser.push(value)) this.#take(m.id, m.event, m.data);
      }
    } catch {
      this.#failures++;
    } finally {
      clearTimeout(watchdog);
      this.#abort = null;
    }
    this.#later();
  }

  #later(): void {
    if (this.#stopped) return;
    if (document.visibilityState === 'hidden') {
      this.#options.onState('idle', null);
      return;
    }
    const pause = this.#failures === 0 ? 50 : Math.min(10_000, 250 * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    if (this.#failures > 0) this.#options.onState('lost', Date.now() + pause);
    this.#timer = setTimeout(() => void this.#connect(), pause);
  }

  #take(id: string, kind: string, data: string): void {
    if (id) this.#last = id;
    if (kind === 'gap') this.#options.onGap();
    if (kind !== 'event') return;
    this.#pending.push(JSON.parse(data) as Event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A page in the background has no frames.
    if (document.visibilityState === 'visible') requestAnimationFrame(this.#give);
    else setTimeout(this.#give, 1000);
  }

  #give = (): void => {
    this.#scheduled = false;
    const events = this.#pending;
    this.#pending = [];
    if (events.length > 0) this.#options.onEvents(events);
  };
}

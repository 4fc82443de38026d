import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventStream, type Event, type StreamState } from './events';
import { MessageParser } from './sse';

describe('server-sent events', () => {
  it('come together from any pieces', () => {
    const text = ': heartbeat\nid: 7\nevent: event\ndata: {"a":\ndata: 1}\n\nevent: gap\r\ndata: {}\r\n\r\ndata: x\n\n';
    for (let size = 1; size < text.length; size += 3) {
      const parser = new MessageParser();
      const found = [];
      for (let i = 0; i < text.length; i += size) found.push(...parser.push(text.slice(i, i + size)));
      expect(found).toEqual([
        { id: '7', event: 'event', data: '{"a":\n1}' },
        { id: '7', event: 'gap', data: '{}' },
        { id: '7', event: 'message', data: 'x' },
      ]);
    }
  });
});

/** A server of streams that the test feeds and ends. */
class Server {
  asked: (string | null)[] = [];
  answer: 'stream' | 'down' | number = 'stream';
  #feed: ReadableStreamDefaultController<Uint8Array> | undefined;

  fetch = vi.fn((_: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    this.asked.push(new Headers(init?.headers).get('Last-Event-ID'));
    if (this.answer === 'down') return Promise.reject(new TypeError('failed to fetch'));
    if (this.answer !== 'stream') return Promise.resolve(new Response('{}', { status: this.answer }));
    const body = new ReadableStream<Uint8Array>({ start: (c) => (this.#feed = c) });
    init?.signal?.addEventListener('abort', () => this.#feed?.error(new DOMException('aborted', 'AbortError')));
    return Promise.resolve(new Response(body));
  });

  send(text: string): void {
    this.#feed?.enqueue(new TextEncoder().encode(text));
  }

  event(id: number): void {
    this.send(`id: ${id}\nevent: event\ndata: {"id":${id},"type":"sync.ended","at":"2026-11-21T10:00:00Z","data":{}}\n\n`);
  }

  end(): void {
    this.#feed?.close();
  }
}

describe('the stream', () => {
  let server: Server;
  let stream: EventStream;
  let events: Event[][];
  let states: StreamState[];
  let gaps: number;
  let signedOut: number;
  const settle = () => vi.advanceTimersByTimeAsync(100);

  beforeEach(() => {
    vi.useFakeTimers();
    server = new Server();
    events = [];
    states = [];
    gaps = signedOut = 0;
    stream = new EventStream({ onEvents: (e) => events.push(e), onGap: () => gaps++, onState: (s) => states.push(s), onSignedOut: () => signedOut++, fetch: server.fetch });
  });
  afterEach(() => {
    stream.stop();
    vi.useRealTimers();
  });

  it('gives events of one frame together and goes on after the last one', async () => {
    stream.start('41');
    await settle();
    server.event(42);
    server.event(43);
    await settle();
    expect(events.map((b) => b.map((e) => e.id))).toEqual([[42, 43]]);
    server.end();
    await settle();
    expect(server.asked).toEqual(['41', '43']);
    expect(states).not.toContain('lost');
  });

  it('says that it is lost, heals by itself, and says so', async () => {
    stream.start('1');
    await settle();
    server.answer = 'down';
    server.end();
    await vi.advanceTimersByTimeAsync(3000);
    expect(states.at(-1)).toBe('lost');
    server.answer = 'stream';
    await vi.advanceTimersByTimeAsync(11_000);
    expect(states.at(-1)).toBe('live');
  });

  it('tries at once when asked to', async () => {
    server.answer = 503;
    stream.start('1');
    await vi.advanceTimersByTimeAsync(60_000);
    server.answer = 'stream';
    const tries = server.asked.length;
    stream.retry();
    await settle();
    expect(server.asked.length).toBe(tries + 1);
    expect(states.at(-1)).toBe('live');
  });

  it('notices a line that is dead', async () => {
    stream.start('1');
    await settle();
    server.send(': heartbeat\n\n');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(server.asked.length).toBe(1);
    await vi.advanceTimersByTimeAsync(8000);
    expect(server.asked.length).toBeGreaterThan(1);
  });

  it('tells of a gap, and of the end of the session', async () => {
    stream.start('1');
    await settle();
    server.send('event: gap\ndata: {"after":1,"first":9}\n\n');
    await settle();
    expect(gaps).toBe(1);
    server.answer = 401;
    server.end();
    await settle();
    expect(signedOut).toBe(1);
    expect(states.at(-1)).toBe('idle');
  });
});

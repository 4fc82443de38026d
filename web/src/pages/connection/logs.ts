import type { Schemas } from '../../api/client';
import { api, body, problemOf } from '../../api/client';
import { MessageParser } from '../../api/sse';

export type LogLine = Schemas['LogLine'];
export type Level = LogLine['level'];

export interface LogFilter {
  sync: string;
  stream: string;
  levels: readonly Level[];
  search: string;
}

/** Lines that are kept on a page; what is before them is left out, and said so. */
export const mostLines = 20_000;

const query = (f: LogFilter) => ({ ...(f.stream ? { stream: f.stream } : {}), ...(f.levels.length > 0 ? { level: [...f.levels] } : {}), ...(f.search ? { search: f.search } : {}) });

/** Lines after one that is known, as many pages as there are now, each told as it comes. */
export async function readLog(f: LogFilter, after: number, signal: AbortSignal, onLines: (lines: LogLine[]) => void): Promise<number> {
  for (let known = after; ; ) {
    const page = await body(api.GET('/api/v1/syncs/{sync}/log', { params: { path: { sync: f.sync }, query: { ...query(f), limit: 500, ...(known > 0 ? { after: known } : {}) } }, signal }));
    if (signal.aborted) return known;
    if (page.lines.length > 0) onLines(page.lines);
    const next = Math.max(known, page.next);
    // more is said of a sync that has not ended, too: an empty page is the end for now.
    if (!page.more || page.lines.length === 0) return next;
    known = next;
  }
}

/**
 * Follows a log from a line on, until the sync has ended or the signal says so; heals
 * by itself. Resolves true where the log has ended.
 */
export async function followLog(f: LogFilter, after: number, signal: AbortSignal, onLines: (lines: LogLine[]) => void, onState: (connected: boolean) => void): Promise<boolean> {
  let known = after;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const url = new URL(`/api/v1/syncs/${encodeURIComponent(f.sync)}/log/stream`, location.origin);
      const q = query(f);
      if (q.stream) url.searchParams.set('stream', q.stream);
      if (q.level) url.searchParams.set('level', q.level.join(','));
      if (q.search) url.searchParams.set('search', q.search);
      if (known > 0) url.searchParams.set('after', String(known));
      else url.searchParams.set('from', 'start');
      const response = await fetch(url, { signal, headers: { Accept: 'text/event-stream' } });
      if (!response.ok || !response.body) throw await problemOf(response);
      failures = 0;
      onState(true);
      const parser = new MessageParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const messages = parser.push(value);
        const lines = messages.filter((m) => m.event === 'line').map((m) => JSON.parse(m.data) as LogLine);
        if (lines.length > 0) {
          known = Math.max(known, lines.at(-1)!.seq);
          onLines(lines);
        }
        if (messages.some((m) => m.event === 'end')) return true;
      }
    } catch {
      if (signal.aborted) return false;
      failures++;
      onState(false);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(10_000, 200 * 2 ** failures)));
  }
  return false;
}

/** Lines with further ones at their end; none twice, and at most so many. */
export function append(lines: readonly LogLine[], more: readonly LogLine[], most = mostLines): LogLine[] {
  const last = lines.at(-1)?.seq ?? 0;
  const next = [...lines, ...more.filter((l) => l.seq > last)];
  return next.length > most ? next.slice(next.length - most) : next;
}

/** The details of a line, as `key=value`. */
export function attrsText(attrs: unknown): string {
  if (typeof attrs !== 'object' || attrs === null) return '';
  return Object.entries(attrs)
    .map(([k, v]) => `${k}=${typeof v === 'string' ? (/\s/.test(v) ? JSON.stringify(v) : v) : JSON.stringify(v)}`)
    .join(' ');
}

/** A line as text, to copy or keep. */
export const lineText = (l: LogLine): string => [l.at, l.level.toUpperCase().padEnd(5), l.stream, l.message, attrsText(l.attrs)].filter(Boolean).join(' ');

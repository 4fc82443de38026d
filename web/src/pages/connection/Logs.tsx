import { Button, Select, Switch } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState } from 'react';
import { CopyAs } from '../../ui/CopyAs';
import { Filters } from '../../ui/Filters';
import { EmptyState, ErrorState, LoadingState, PartialNote } from '../../ui/States';
import { TimeSeconds } from '../../ui/Time';
import { copyText } from '../../ui/copy';
import { count, plural, streamName, time } from '../../ui/format';
import { IconCopy } from '../../ui/icons';
import { statusWord } from '../../ui/status';
import { listOf, useUrl } from '../../ui/useUrl';
import classes from './Logs.module.css';
import { useConnection } from './context';
import { useLiveStreams } from './liveStreams';
import { append, attrsText, followLog, lineText, mostLines, readLog, type Level, type LogFilter, type LogLine } from './logs';
import { syncsQuery } from './queries';

export function Page() {
  const c = useConnection();
  const [url, set] = useUrl();
  const syncs = useInfiniteQuery(syncsQuery(c.id, { limit: 50 }));
  const items = syncs.data?.pages.flatMap((p) => p.items) ?? [];
  const chosen = url.sync ?? c.last_sync?.id ?? '';
  const known = items.find((s) => s.id === chosen);
  const options = items.map((s) => ({ value: s.id, label: `${time(s.started_at ?? s.queued_at)}, ${statusWord(s.outcome ?? s.state).word.toLowerCase()}` }));
  if (chosen && !known) options.unshift({ value: chosen, label: chosen });
  const open = (known ?? (c.last_sync?.id === chosen ? c.last_sync : undefined))?.state !== 'ended';
  if (!chosen) return <EmptyState title="No logs yet">Each sync of this connection keeps a log, which appears here.</EmptyState>;
  const filter: LogFilter = { sync: chosen, stream: url.stream ?? '', levels: listOf(url.level) as Level[], search: url.q ?? '' };
  return (
    <div className={classes.page}>
      <Filters search={{ label: 'Search messages' }} filters={[{ name: 'level', label: 'Level', options: ['debug', 'info', 'warn', 'error'] }]}>
        <Select aria-label="Sync" data={options} value={chosen} allowDeselect={false} searchable size="xs" className={classes.sync} onChange={(v) => set({ sync: v ?? undefined, stream: undefined })} comboboxProps={{ width: 'max-content' }} />
        <StreamChoice sync={chosen} />
      </Filters>
      <LogView key={JSON.stringify(filter)} filter={filter} open={open} />
    </div>
  );
}

/** The streams that a log can be narrowed to: those that its sync read. */
function StreamChoice({ sync }: { sync: string }) {
  const [url, set] = useUrl();
  const streams = useLiveStreams(sync).data ?? [];
  const names = streams.map((s) => streamName(s.stream));
  if (url.stream && !names.includes(url.stream)) names.push(url.stream);
  if (names.length === 0) return null;
  return <Select aria-label="Stream" placeholder="All streams" data={names} value={url.stream ?? null} clearable clearButtonProps={{ 'aria-label': 'All streams' }} searchable size="xs" className={classes.stream} onChange={(v) => set({ stream: v ?? undefined })} />;
}

interface Reading {
  lines: LogLine[];
  state: 'reading' | 'live' | 'lost' | 'ended';
  error?: unknown;
}

/** Reads a log to its end and follows it while its sync runs. */
function useLog(filter: LogFilter, open: boolean): Reading & { again: () => void } {
  const [reading, setReading] = useState<Reading>({ lines: [], state: 'reading' });
  const [turn, setTurn] = useState(0);
  const [f] = useState(filter);
  useEffect(() => {
    const abort = new AbortController();
    setReading({ lines: [], state: 'reading' });
    const take = (more: LogLine[]) => setReading((r) => ({ ...r, lines: append(r.lines, more) }));
    const run = async () => {
      const at = await readLog(f, 0, abort.signal, take);
      if (abort.signal.aborted) return;
      if (!open) {
        setReading((r) => ({ ...r, state: 'ended' }));
        return;
      }
      const ended = await followLog(f, at, abort.signal, take, (connected) => setReading((r) => ({ ...r, state: connected ? 'live' : 'lost' })));
      if (ended) setReading((r) => ({ ...r, state: 'ended' }));
    };
    run().catch((error: unknown) => {
      if (!abort.signal.aborted) setReading((r) => ({ ...r, state: 'ended', error }));
    });
    return () => abort.abort();
    // A sync that ends while it is followed says so itself: open is what it was at first.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [f, turn]);
  return { ...reading, again: () => setTurn((n) => n + 1) };
}

const said = { reading: 'Reading…', live: 'Live', lost: 'The connection is lost; trying again', ended: 'Complete' };

function LogView({ filter, open }: { filter: LogFilter; open: boolean }) {
  const [url, set] = useUrl();
  const { lines, state, error, again } = useLog(filter, open);
  const follow = url.follow !== 'no';
  const narrowed = filter.stream !== '' || filter.levels.length > 0 || filter.search !== '';
  if (lines.length === 0 && error) return <ErrorState error={error} onRetry={again} />;
  if (lines.length === 0 && state === 'reading') return <LoadingState />;
  return (
    <>
      <div className={classes.bar}>
        <span role="status" data-state={state} className={classes.state}>
          {said[state]}
        </span>
        <span className="dim">
          {plural(lines.length, 'line')}
          {lines.length >= mostLines ? `; older ones than the last ${count(mostLines)} are left out` : ''}
        </span>
        <span className="grow" />
        {state !== 'ended' && <Switch size="xs" label="Follow" checked={follow} onChange={(e) => set({ follow: e.currentTarget.checked ? undefined : 'no' })} />}
        <Button variant="subtle" color="gray" leftSection={<IconCopy size={14} />} disabled={lines.length === 0} onClick={() => copyText(lines.map(lineText).join('\n'), plural(lines.length, 'line'))}>
          Copy lines
        </Button>
        <CopyAs call={{ method: 'GET', path: callPath(filter) }} />
      </div>
      {error !== undefined && <PartialNote onRetry={again}>The log could not be read to its end.</PartialNote>}
      {lines.length === 0 ? (
        <EmptyState title={narrowed ? 'No line is like that' : 'No lines yet'}>{narrowed ? 'Nothing in this log passes the search and the choices above.' : 'Lines appear here as the sync writes them.'}</EmptyState>
      ) : (
        <Lines lines={lines} follow={follow && state !== 'ended'} onLeave={() => set({ follow: 'no' })} />
      )}
    </>
  );
}

function callPath(f: LogFilter): string {
  const q = new URLSearchParams({ limit: '500', ...(f.stream ? { stream: f.stream } : {}), ...(f.levels.length > 0 ? { level: f.levels.join(',') } : {}), ...(f.search ? { search: f.search } : {}) });
  return `/api/v1/syncs/${f.sync}/log?${q.toString()}`;
}

function Lines({ lines, follow, onLeave }: { lines: readonly LogLine[]; follow: boolean; onLeave: () => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const virtual = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 24, overscan: 20, getItemKey: (i) => lines[i]!.seq });
  useEffect(() => {
    if (follow) virtual.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [follow, lines.length, virtual]);
  return (
    // It is read by scrolling, with the wheel or keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      ref={scroller}
      className={classes.lines}
      role="log"
      aria-live="off"
      aria-label="Log"
      tabIndex={0}
      onWheel={(e) => {
        // Who scrolls up wants to read: the log stops running away.
        if (follow && e.deltaY < 0) onLeave();
      }}
      onKeyDown={(e) => {
        if (follow && ['ArrowUp', 'PageUp', 'Home'].includes(e.key)) onLeave();
      }}
    >
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => {
          const l = lines[item.index]!;
          const attrs = attrsText(l.attrs);
          const open = opened.has(l.seq);
          return (
            <div key={item.key} ref={virtual.measureElement} data-index={item.index} data-level={l.level} className={classes.line} style={{ transform: `translateY(${item.start}px)` }}>
              <span className={classes.time}>
                <TimeSeconds at={l.at} />
              </span>
              <span className={classes.level}>{l.level}</span>
              <button
                type="button"
                className={classes.text}
                data-open={open || undefined}
                aria-expanded={open}
                onClick={() => {
                  const next = new Set(opened);
                  if (!next.delete(l.seq)) next.add(l.seq);
                  setOpened(next);
                }}
              >
                {l.stream && <span className={classes.of}>{l.stream}</span>}
                <span>{l.message}</span>
                {attrs && <span className={classes.attrs}>{attrs}</span>}
              </button>
            </div>
          );
        })}
      </div>
    </div>
  );
}

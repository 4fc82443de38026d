import { useSyncExternalStore } from 'react';
import classes from './Time.module.css';
import { copyText } from './copy';
import { date, duration, fromNow, fullTime, none, time, timeOfDay, utc } from './format';

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    listeners.forEach((l) => l());
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time, in steps of so many milliseconds: one clock for the whole page. */
export function useNow(step = 1000): number {
  return useSyncExternalStore(subscribe, () => {
    if (listeners.size === 0) now = Date.now();
    return Math.floor(now / step) * step;
  });
}

const exact = (at: string | number | Date) => `${fullTime(at)}\n${utc(at)}`;

interface Props {
  at: string | number | Date | null | undefined;
  /** What stands where there is no time. */
  otherwise?: string;
  /** A click copies the exact UTC. */
  copy?: boolean;
}

/** `3 min ago`, kept right; the viewer's own time and the exact UTC are in the tooltip. */
export function TimeAgo({ at, otherwise = none, copy }: Props) {
  const t = useNow(1000);
  if (at === null || at === undefined || at === '') return <span className="faint">{otherwise}</span>;
  return <Exact at={at} text={fromNow(at, t)} copy={copy} />;
}

/** A time in the viewer's zone; the exact UTC is in the tooltip. */
export function Time({ at, otherwise = none, copy }: Props) {
  if (at === null || at === undefined || at === '') return <span className="faint">{otherwise}</span>;
  return <Exact at={at} text={time(at)} copy={copy} />;
}

/** As Time, with seconds: for what happens several times a minute. */
export function TimeSeconds({ at, otherwise = none }: Props) {
  if (at === null || at === undefined || at === '') return <span className="faint">{otherwise}</span>;
  const today = new Date(at).toDateString() === new Date().toDateString();
  return <Exact at={at} text={today ? timeOfDay(at) : `${date(at)}, ${timeOfDay(at)}`} />;
}

function Exact({ at, text, copy }: { at: string | number | Date; text: string; copy?: boolean | undefined }) {
  const shown = (
    <time dateTime={new Date(at).toISOString()} title={exact(at)} className="num">
      {text}
    </time>
  );
  if (!copy) return shown;
  return (
    <button type="button" className={classes.copy} onClick={() => copyText(utc(at), 'The time in UTC')}>
      {shown}
      <span className="sr">: copy as UTC</span>
    </button>
  );
}

/** How long since, kept right: 3 min 20 s. */
export function Since({ at }: { at: string | number | Date }) {
  const t = useNow(1000);
  return <span className="num">{duration(Math.max(0, t - new Date(at).getTime()))}</span>;
}

import { SegmentedControl } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Schemas } from '../../api/client';
import { EmptyState, ErrorState, Load, LoadingState } from '../../ui/States';
import { Num } from '../../ui/Num';
import { count, date, duration, parseDuration, percent, plural, short, time } from '../../ui/format';
import { useUrl } from '../../ui/useUrl';
import classes from './Charts.module.css';
import { Outcomes } from './Outcomes';
import { Plot } from './Plot';
import { useConnection } from './context';
import { daysQuery, syncsQuery } from './queries';
import { ages, meanSeconds, syncsOf, usualOf, verdict } from './usual';

type Day = Schemas['Day'];

const spans = ['7', '30', '90'];

export function Page() {
  const c = useConnection();
  const [url, set] = useUrl();
  const span = spans.includes(url.days ?? '') ? Number(url.days) : 30;
  // A month more than is shown: what was usual is of the days before.
  const query = useQuery(daysQuery(c.id, span + 28));
  return (
    <div className={classes.page}>
      <SegmentedControl aria-label="Time shown" size="xs" value={String(span)} onChange={(v) => set({ days: v === '30' ? undefined : v })} data={[{ value: '7', label: '7 days' }, { value: '30', label: '30 days' }, { value: '90', label: '90 days' }]} />
      <Load query={query}>
        {(days) =>
          days.every((d) => syncsOf(d) === 0) ? <EmptyState title="Nothing to draw yet">After the first sync, its rows, time and freshness are drawn here, day by day.</EmptyState> : <Charts days={days} span={span} />
        }
      </Load>
    </div>
  );
}

const noon = (d: Day) => Date.parse(`${d.date}T12:00:00Z`) / 1000;
const dayWords = (seconds: number) => date(seconds * 1000);

function Charts({ days, span }: { days: readonly Day[]; span: number }) {
  const shown = useMemo(() => days.slice(-span), [days, span]);
  const at = useMemo(() => shown.map(noon), [shown]);
  const usual = useMemo(() => usualOf(days.map((d) => d.rows), days.map((d) => syncsOf(d) > 0)).slice(-span), [days, span]);
  const rowLines = useMemo(
    () => [
      { label: 'Rows', colour: 'accent', kind: 'bars' as const, values: shown.map((d) => d.rows) },
      ...(usual.some((u) => u.middle !== null)
        ? [
            { label: 'Usual', colour: 'dim', kind: 'dashed' as const, values: usual.map((u) => u.middle) },
            { label: 'Usually at most', colour: 'accent', kind: 'edge' as const, values: usual.map((u) => u.high) },
            { label: 'Usually at least', colour: 'accent', kind: 'edge' as const, values: usual.map((u) => u.low) },
          ]
        : []),
    ],
    [shown, usual],
  );
  const seconds = useMemo(() => [{ label: 'Mean time of a sync', colour: 'syncing-fill', kind: 'bars' as const, values: shown.map(meanSeconds) }], [shown]);
  const total = shown.reduce((n, d) => n + d.rows, 0);
  const syncs = shown.reduce((n, d) => n + syncsOf(d), 0);
  const good = shown.reduce((n, d) => n + d.succeeded + d.succeeded_with_warnings, 0);
  const busy = shown.reduce((n, d) => n + d.seconds, 0);
  // Today is under way: yesterday is the last day that can be compared.
  const yesterday = shown.at(-2);
  const said = yesterday ? verdict(yesterday.rows, usual.at(-2) ?? { low: null, middle: null, high: null }) : null;
  return (
    <>
      <Plot
        title="Rows a day"
        summary={
          <>
            <Num value={total} unit="rows" /> in {span} days
            {said ? (
              <>
                ; yesterday <b className={said.odd ? classes.odd : undefined}>{said.text}</b>
              </>
            ) : (
              '; what is usual is known after seven days'
            )}
          </>
        }
        at={at}
        lines={rowLines}
        band={rowLines.length > 1 ? [2, 3] : undefined}
        write={short}
        writeAt={dayWords}
      />
      <Outcomes days={shown} summary={`${percent(syncs > 0 ? good / syncs : null)} of ${plural(syncs, 'sync')} succeeded`} />
      <Plot title="Time of a sync" summary={`${duration(syncs > 0 ? (busy / syncs) * 1000 : null)} on average, ${duration(busy * 1000)} together`} at={at} lines={seconds} write={(s) => duration(s === null ? null : s * 1000)} writeAt={dayWords} />
      <Freshness span={span} />
    </>
  );
}

/** The objective in seconds: what was set, else twice the schedule's period; NaN where there is none. */
const objectiveOf = (c: { freshness: string; schedule: { every?: string } }): number => (c.freshness ? parseDuration(c.freshness) : c.schedule.every ? 2 * parseDuration(c.schedule.every) : Number.NaN) / 1000;

function Freshness({ span }: { span: number }) {
  const c = useConnection();
  const query = useInfiniteQuery(syncsQuery(c.id, { limit: 500 }));
  const page = query.data?.pages[0];
  const objective = objectiveOf(c);
  const drawn = useMemo(() => {
    if (!page) return null;
    const now = Date.now() / 1000;
    const oldest = page.items.at(-1);
    const known = page.next && oldest ? Date.parse(oldest.queued_at) / 1000 : 0;
    const from = Math.max(now - span * 86_400, known);
    const { at, age } = ages(page.items, from, now);
    const lines = [{ label: 'Age of the data', colour: 'healthy-fill', values: age }, ...(Number.isNaN(objective) ? [] : [{ label: 'Objective', colour: 'down', kind: 'dashed' as const, values: at.map(() => objective) }])];
    return { at, age, lines, short: known > now - span * 86_400 };
  }, [page, span, objective]);
  if (query.error && !page) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (!drawn) return <LoadingState lines={3} />;
  if (drawn.at.length < 2) return null;
  const worst = Math.max(...drawn.age);
  const step = Math.ceil(drawn.at.length / 60);
  return (
    <Plot
      title="Freshness"
      summary={`the data were at most ${duration(worst * 1000)} old${Number.isNaN(objective) ? '' : `; the objective is ${duration(objective * 1000)}`}${drawn.short ? `; drawn from the latest ${count(page?.items.length)} syncs` : ''}`}
      at={drawn.at}
      lines={drawn.lines}
      write={(s) => duration(s === null ? null : s * 1000)}
      writeAt={(s) => time(s * 1000)}
      table={drawn.at.map((_, i) => i).filter((i) => i % step === 0)}
    />
  );
}

import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { useEvents } from '../../app/live';
import { bytes, count, percent, plural, short } from '../../ui/format';
import { Load } from '../../ui/States';
import classes from './Flight.module.css';

type Hour = Schemas['Hour'];

const hoursQuery = queryOptions({
  queryKey: ['fleet', 'hours', 24],
  queryFn: ({ signal }) => body(api.GET('/api/v1/fleet/hours', { params: { query: { hours: 24 } }, signal })),
  staleTime: 60_000,
});

/** The last 24 hours, read anew a few seconds after syncs have ended. */
export function useHours() {
  const client = useQueryClient();
  const changed = useRef(false);
  useEvents(
    useCallback((events) => {
      if (events.some((e) => e.type === 'sync.ended')) changed.current = true;
    }, []),
  );
  useEffect(() => {
    const timer = setInterval(() => {
      if (!changed.current) return;
      changed.current = false;
      void client.invalidateQueries({ queryKey: hoursQuery.queryKey });
    }, 5000);
    return () => clearInterval(timer);
  }, [client]);
  return useQuery(hoursQuery);
}

export function sums(hours: readonly Hour[]) {
  const t = { ended: 0, good: 0, warned: 0, failed: 0, rows: 0, bytes: 0 };
  for (const h of hours) {
    t.good += h.succeeded;
    t.warned += h.succeeded_with_warnings;
    t.failed += h.failed;
    t.rows += h.rows;
    t.bytes += h.bytes;
  }
  t.ended = t.good + t.warned + t.failed;
  return t;
}

const hourOf = (at: string) => new Date(at).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
const height = 84;

/** How the fleet did in the last 24 hours: syncs of each hour by how they ended. */
export function Day() {
  const hours = useHours();
  return <Load query={hours}>{(h) => <Bars hours={h.items} />}</Load>;
}

function Bars({ hours }: { hours: readonly Hour[] }) {
  const t = sums(hours);
  const most = Math.max(1, ...hours.map((h) => h.succeeded + h.succeeded_with_warnings + h.failed));
  const width = 100 / Math.max(1, hours.length);
  return (
    <div className={classes.day}>
      <dl className={classes.dayFacts}>
        <div>
          <dt>Succeeded</dt>
          <dd>{t.ended > 0 ? percent((t.good + t.warned) / t.ended) : '–'}</dd>
        </div>
        <div>
          <dt>Syncs</dt>
          <dd>{short(t.ended)}</dd>
        </div>
        <div>
          <dt>Failed</dt>
          <dd data-bad={t.failed > 0 || undefined}>{short(t.failed)}</dd>
        </div>
        <div>
          <dt>Rows</dt>
          <dd>{short(t.rows)}</dd>
        </div>
        <div>
          <dt>Read</dt>
          <dd>{bytes(t.bytes)}</dd>
        </div>
      </dl>
      <svg viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" className={classes.bars} role="img" aria-label={`Syncs of the last 24 hours: ${count(t.good)} succeeded, ${count(t.warned)} with warnings, ${count(t.failed)} failed`}>
        {hours.map((h, i) => {
          const parts = [
            { tone: 'down', n: h.failed },
            { tone: 'degraded', n: h.succeeded_with_warnings },
            { tone: 'healthy', n: h.succeeded },
          ];
          let y = height;
          return (
            <g key={h.at}>
              <title>{`${hourOf(h.at)}: ${plural(h.succeeded, 'success', 'successes')}, ${count(h.succeeded_with_warnings)} with warnings, ${count(h.failed)} failed; ${plural(h.rows, 'row')}, ${bytes(h.bytes)}`}</title>
              <rect x={i * width} y={0} width={width} height={height} fill="transparent" />
              <rect x={i * width + width * 0.1} y={height - 1} width={width * 0.8} height={1} data-tone="none" />
              {parts.map((p) => {
                // What failed is never too small to be seen.
                const tall = p.n === 0 ? 0 : Math.max(p.tone === 'healthy' ? 1 : 3, (p.n / most) * (height - 4));
                y -= tall;
                return tall > 0 && <rect key={p.tone} x={i * width + width * 0.1} y={y} width={width * 0.8} height={tall} data-tone={p.tone} />;
              })}
            </g>
          );
        })}
      </svg>
      <div className={classes.axis} aria-hidden>
        {hours.filter((_, i) => i % 6 === 0).map((h) => (
          <span key={h.at}>{hourOf(h.at)}</span>
        ))}
        <span>now</span>
      </div>
    </div>
  );
}

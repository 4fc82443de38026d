import type { ReactNode } from 'react';
import { useElementSize } from '@mantine/hooks';
import type { Schemas } from '../../api/client';
import { date } from '../../ui/format';
import { statusWord } from '../../ui/status';
import classes from './Charts.module.css';
import { syncsOf } from './usual';

type Day = Schemas['Day'];

/** From the ground up: what went well is what bars stand on. */
const outcomes = ['succeeded', 'succeeded_with_warnings', 'rescheduled', 'cancelled', 'failed'] as const;

/** How the syncs of each day ended, as bars that add up. */
export function Outcomes({ days, summary }: { days: readonly Day[]; summary: ReactNode }) {
  const { ref, width } = useElementSize();
  const height = 72;
  const most = Math.max(1, ...days.map(syncsOf));
  const step = width / days.length;
  const words = (d: Day) => {
    const parts = outcomes.filter((o) => d[o] > 0).map((o) => `${d[o]} ${statusWord(o).word.toLowerCase()}`);
    return `${date(`${d.date}T12:00:00Z`)}: ${parts.join(', ') || 'no syncs'}`;
  };
  return (
    <figure className={classes.figure}>
      <figcaption className={classes.caption}>
        <h2>Syncs a day</h2>
        <span className="dim">{summary}</span>
      </figcaption>
      <div ref={ref}>
        {width > 0 && (
          <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label="Syncs a day by how they ended" className={classes.outcomes}>
            {days.map((d, i) => {
              let y = height;
              return (
                <g key={d.date}>
                  <title>{words(d)}</title>
                  <rect x={i * step} y={0} width={step} height={height} className={classes.hit} />
                  {syncsOf(d) === 0 && <rect x={i * step + step * 0.15} y={height - 2} width={step * 0.7} height={2} data-tone="none" />}
                  {outcomes.map((o) => {
                    const h = (d[o] / most) * (height - 4);
                    y -= h;
                    return h > 0 ? <rect key={o} x={i * step + step * 0.15} y={y} width={step * 0.7} height={Math.max(h - 1, 1)} rx={1.5} data-tone={statusWord(o).tone} /> : null;
                  })}
                </g>
              );
            })}
          </svg>
        )}
      </div>
      <ul className={classes.legend}>
        {outcomes
          .filter((o) => days.some((d) => d[o] > 0))
          .map((o) => (
            <li key={o}>
              <svg width="10" height="10" aria-hidden className={classes.outcomes}>
                <rect width="10" height="10" rx="2" data-tone={statusWord(o).tone} />
              </svg>
              {statusWord(o).word}
            </li>
          ))}
      </ul>
    </figure>
  );
}

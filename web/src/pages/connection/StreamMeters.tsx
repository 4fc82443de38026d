import type { Tone } from '../../ui/status';
import { Meter } from '../../ui/charts';
import { bytes, count, duration, percent, short, streamName } from '../../ui/format';
import { LoadingState, ErrorState } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import classes from './Sync.module.css';
import { useLiveStreams, type StreamCounters } from './liveStreams';

const phases: Record<string, { word: string; tone: Tone }> = {
  waiting: { word: 'Waiting', tone: 'waiting' },
  reading: { word: 'Reading', tone: 'syncing' },
  finishing: { word: 'Loading the rest', tone: 'syncing' },
  retrying: { word: 'Retrying', tone: 'degraded' },
  done: { word: 'Up to date', tone: 'healthy' },
  failed: { word: 'Failed', tone: 'down' },
  interrupted: { word: 'Interrupted', tone: 'paused' },
};

export const phaseOf = (phase: string): { word: string; tone: Tone } => phases[phase] ?? { word: phase, tone: 'waiting' };

/** How far a stream is, 0 to 1; null where nobody knows how much there is. */
export function shareOf(s: StreamCounters): number | null {
  if (s.phase === 'done') return 1;
  return s.total > 0 ? Math.min(1, s.rows / s.total) : null;
}

/** Each stream of a sync with its counters, live while it runs. */
export function StreamMeters({ sync, running }: { sync: string; running: boolean }) {
  const streams = useLiveStreams(sync);
  if (streams.error && !streams.data) return <ErrorState error={streams.error} onRetry={() => void streams.refetch()} />;
  if (!streams.data) return <LoadingState lines={3} />;
  if (streams.data.length === 0) return <p className="dim">{running ? 'The streams are being listed.' : 'It did not come to read a stream.'}</p>;
  const order = ['failed', 'retrying', 'reading', 'finishing', 'waiting', 'interrupted', 'done'];
  const sorted = [...streams.data].sort((a, b) => order.indexOf(a.phase) - order.indexOf(b.phase) || b.rows - a.rows);
  return (
    <div className={classes.frame} role="region" aria-label="Streams of the sync" tabIndex={0}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th scope="col">Stream</th>
            <th scope="col">Phase</th>
            <th scope="col" data-right>Read</th>
            <th scope="col" data-right>Committed</th>
            <th scope="col" data-right data-wide>Deleted</th>
            <th scope="col" data-right data-wide>Rejected</th>
            <th scope="col" data-right data-wide>Size</th>
            <th scope="col" data-right data-wide>Took</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((s) => (
            <Row key={streamName(s.stream)} s={s} running={running} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ s, running }: { s: StreamCounters; running: boolean }) {
  const phase = phaseOf(s.phase);
  const share = shareOf(s);
  const active = running && ['reading', 'finishing', 'retrying'].includes(s.phase);
  return (
    <tr>
      <th scope="row">
        <span className={classes.stream}>{streamName(s.stream)}</span>
        {active && <Meter share={share} label={`${streamName(s.stream)}: ${share === null ? 'no estimate' : percent(share)}`} />}
        {s.error && <span className={classes.failed}>{s.error.code}: {s.error.message}</span>}
      </th>
      <td>
        <HealthBadge status={s.phase} word={phase.word} tone={phase.tone} />
        {active && s.total > 0 && <span className="dim"> {percent(share)}</span>}
      </td>
      <td data-right title={count(s.rows)}>
        {short(s.rows)}
        {s.total > 0 && running && s.phase !== 'done' && <span className="dim"> of {short(s.total)}</span>}
      </td>
      <td data-right title={count(s.committed)}>{short(s.committed)}</td>
      <td data-right data-wide title={count(s.deleted)}>{short(s.deleted)}</td>
      <td data-right data-wide title={count(s.rejected)} className={s.rejected > 0 ? classes.warn : undefined}>{short(s.rejected)}</td>
      <td data-right data-wide>{bytes(s.bytes)}</td>
      <td data-right data-wide>{s.started_at && s.ended_at ? duration(Date.parse(s.ended_at) - Date.parse(s.started_at)) : '–'}</td>
    </tr>
  );
}

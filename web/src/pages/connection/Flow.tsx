import { useElementSize } from '@mantine/hooks';
import type { Connection } from '../../api/connections';
import { eta, share as shareRead, useProgress, type Progress } from '../../api/progress';
import { Meter, Sparkline } from '../../ui/charts';
import { bytes, count, duration, percent, plural, rate, short } from '../../ui/format';
import { Since, TimeAgo } from '../../ui/Time';
import { HealthBadge } from '../../ui/StatusDot';
import classes from './Flow.module.css';
import { openSync } from './context';

interface Stage {
  key: string;
  head: string;
  value: string;
  note: string;
  active: boolean;
}

/** The stages of a connection as they are now, or as its latest sync left them. */
export function stagesOf(c: Connection, p: Progress | undefined): Stage[] {
  const sync = openSync(c);
  const running = sync?.state === 'running';
  const last = c.last_sync;
  const inFlight = p ? Math.max(0, p.rows - p.committed) : 0;
  const reading = running && (!p || p.phase === 'reading');
  return [
    { key: 'source', head: 'Source', value: c.source_name, note: c.connector, active: reading },
    running
      ? { key: 'read', head: 'Read', value: p ? `${short(p.rows)} rows` : 'starting', note: p ? rate(p.rows_per_second) : '', active: reading }
      : { key: 'read', head: 'Read', value: last ? bytes(last.bytes) : 'nothing yet', note: last ? 'by the latest sync' : '', active: false },
    running
      ? { key: 'prepare', head: 'Prepare', value: `${short(inFlight)} rows`, note: 'not committed yet', active: inFlight > 0 }
      : { key: 'prepare', head: 'Prepare', value: last ? plural(last.rejected, 'record') : '–', note: last ? 'rejected' : '', active: false },
    running
      ? { key: 'load', head: 'Load', value: `${short(p?.committed ?? 0)} rows`, note: 'committed', active: inFlight > 0 }
      : { key: 'load', head: 'Load', value: last ? `${short(last.rows)} rows` : 'nothing yet', note: last ? 'committed' : '', active: false },
    { key: 'destination', head: 'Destination', value: c.destination_name, note: `${c.destination_kind} · ${c.schema}`, active: running && (p?.committed ?? 0) > 0 },
  ];
}

/** Cuts a text to what fits into so many pixels; SVG does not by itself. */
const fit = (text: string, width: number, perChar: number): string => (text.length * perChar <= width ? text : `${text.slice(0, Math.max(1, Math.floor(width / perChar) - 1))}…`);

/** Source, stages and destination, with what flows between them. */
export function Flow({ connection: c }: { connection: Connection }) {
  const { ref, width } = useElementSize();
  const sync = openSync(c);
  const p = useProgress(sync?.id);
  const stages = stagesOf(c, p);
  const said = stages.map((s) => `${s.head}: ${s.value}${s.note ? `, ${s.note}` : ''}`).join('; ');
  return (
    <div ref={ref} className={classes.flow}>
      {width > 0 && (width < 600 ? <Tall stages={stages} width={width} label={said} /> : <Wide stages={stages} width={width} label={said} />)}
      {sync?.state === 'running' && <Running connection={c} p={p} />}
    </div>
  );
}

function Wide({ stages, width, label }: { stages: readonly Stage[]; width: number; label: string }) {
  const gap = 40;
  const box = (width - 2 - gap * (stages.length - 1)) / stages.length;
  return (
    <svg viewBox={`0 0 ${width} 86`} width={width} height={86} role="img" aria-label={label} className={classes.svg}>
      {stages.map((s, i) => {
        const x = 1 + i * (box + gap);
        return (
          <g key={s.key} data-active={s.active || undefined} data-end={i === 0 || i === stages.length - 1 || undefined}>
            {i > 0 && <Link d={`M${x - gap + 4},43 H${x - 6}`} tip={`${x - 6},43`} active={s.active} />}
            <rect x={x} y={1} width={box} height={84} rx={6} className={classes.box} />
            <text x={x + 12} y={24} className={classes.head}>{s.head}</text>
            <text x={x + 12} y={47} className={classes.value}>
              {fit(s.value, box - 24, 8)}
              <title>{s.value}</title>
            </text>
            <text x={x + 12} y={68} className={classes.note}>
              {fit(s.note, box - 24, 6.4)}
              <title>{s.note}</title>
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function Tall({ stages, width, label }: { stages: readonly Stage[]; width: number; label: string }) {
  const box = 46;
  const gap = 20;
  const height = stages.length * (box + gap) - gap + 2;
  return (
    <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label} className={classes.svg}>
      {stages.map((s, i) => {
        const y = 1 + i * (box + gap);
        return (
          <g key={s.key} data-active={s.active || undefined} data-end={i === 0 || i === stages.length - 1 || undefined}>
            {i > 0 && <Link d={`M28,${y - gap + 3} V${y - 5}`} tip={`28,${y - 5}`} down active={s.active} />}
            <rect x={1} y={y} width={width - 2} height={box} rx={6} className={classes.box} />
            <text x={14} y={y + 28} className={classes.head}>{s.head}</text>
            <text x={width - 14} y={y + 20} textAnchor="end" className={classes.value}>{fit(s.value, width - 120, 8)}</text>
            <text x={width - 14} y={y + 37} textAnchor="end" className={classes.note}>{fit(s.note, width - 120, 6.4)}</text>
          </g>
        );
      })}
    </svg>
  );
}

function Link({ d, tip, down, active }: { d: string; tip: string; down?: boolean; active: boolean }) {
  return (
    <g className={classes.link} data-active={active || undefined}>
      <path d={d} className={classes.line} />
      <path d="M-5,-4 L1,0 L-5,4" transform={`translate(${tip})${down ? ' rotate(90)' : ''}`} className={classes.tip} />
    </g>
  );
}

/** What a running sync says of itself: how far, how fast, how long still. */
function Running({ connection: c, p }: { connection: Connection; p: Progress | undefined }) {
  const sync = openSync(c)!;
  const share = p ? shareRead(p) : null;
  const left = p ? eta(p) : null;
  return (
    <div className={classes.running}>
      <Meter share={share} label={share === null ? 'Progress of the sync: nobody knows how much there is' : 'Progress of the sync'} />
      <div className={classes.facts}>
        <HealthBadge status="syncing" />
        {share !== null && <b className="num">{percent(share)}</b>}
        {p && (
          <span className="num">
            {count(p.done)} of {plural(p.streams, 'stream')} up to date
          </span>
        )}
        {p && (
          <span className="num">
            {rate(p.rows_per_second)} · {bytes(p.bytes_per_second)}/s
          </span>
        )}
        {left !== null && <span className="num">about {duration(left * 1000)} left</span>}
        {sync.started_at && (
          <span>
            runs for <Since at={sync.started_at} />
          </span>
        )}
        {p && p.attempt > 1 && <span>attempt {p.attempt}</span>}
        {p && p.rates.length > 2 && <Sparkline values={p.rates} width={120} height={20} tone="syncing" label={`Rows a second over the last two minutes, now ${rate(p.rows_per_second)}`} />}
      </div>
    </div>
  );
}

/** A sync that waits, and why. */
export function WaitingNote({ connection: c }: { connection: Connection }) {
  const sync = openSync(c);
  if (!sync || sync.state === 'running') return null;
  return (
    <p className="row wrap">
      <HealthBadge status={sync.state} />
      {sync.state === 'retrying' ? (
        <span>
          Attempt {sync.attempts} failed; the next one begins <TimeAgo at={sync.retry_at} otherwise="soon" />.
        </span>
      ) : (
        <span>
          In the queue for <Since at={sync.queued_at} />
          {c.status.waiting ? `: ${c.status.waiting}.` : '.'}
        </span>
      )}
    </p>
  );
}

import { Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import type { FleetRow } from '../../api/fleet';
import { eta, useProgress } from '../../api/progress';
import { Meter } from '../../ui/charts';
import type { Column } from '../../ui/DataTable';
import { count, duration, none, rate, schedule, short } from '../../ui/format';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo, useNow } from '../../ui/Time';
import classes from './Connections.module.css';
import { statusWord } from '../../ui/status';
import { rowStatus, stripCells, stripLabel } from './rows';

type Days = Schemas['Strips'] | undefined;

/** The columns of the list; the strips come with an answer of their own. */
export function columnsWith(days: Days): Column<FleetRow>[] {
  return [
    { key: 'status', head: 'Status', sort: 'status', width: '128px', cell: (r) => <StatusCell row={r} /> },
    { key: 'name', head: 'Name', sort: 'name', width: 'minmax(200px, 2.2fr)', cell: (r) => <NameCell row={r} /> },
    { key: 'fresh', head: 'Fresh', sort: 'fresh', width: 'minmax(104px, 0.9fr)', cell: (r) => <FreshCell row={r} /> },
    { key: 'rows', head: 'Last rows', sort: 'rows', width: '92px', align: 'right', cell: (r) => <RowsCell row={r} /> },
    { key: 'last', head: 'Last run', sort: 'last', width: 'minmax(112px, 1fr)', cell: (r) => <LastCell row={r} />, from: 820 },
    { key: 'next', head: 'Next run', sort: 'next', width: 'minmax(112px, 1fr)', cell: (r) => <NextCell row={r} />, from: 700 },
    { key: 'strip', head: 'Last 30 days', width: '196px', cell: (r) => <Days30 row={r} days={days} />, from: 1000 },
    { key: 'team', head: 'Team', width: 'minmax(80px, 0.7fr)', cell: (r) => <span className="cut">{r.team || <span className="faint">{none}</span>}</span>, from: 1180 },
    { key: 'labels', head: 'Labels', width: 'minmax(120px, 1fr)', cell: (r) => <Labels row={r} />, from: 1400 },
  ];
}

function StatusCell({ row }: { row: FleetRow }) {
  const status = rowStatus(row);
  if (row.sync?.state === 'running') return <Running row={row} status={status} />;
  return <HealthBadge status={status} />;
}

/** A sync that runs: its status stays what wants attention; progress below it moves. */
function Running({ row, status }: { row: FleetRow; status: string }) {
  const p = useProgress(row.sync?.id);
  const rows = p?.rows ?? row.sync?.progress?.rows ?? 0;
  const total = p?.total ?? row.sync?.progress?.total ?? 0;
  return (
    <div className={classes.running}>
      <HealthBadge status={status} />
      <Meter share={total > 0 ? rows / total : null} label={`Sync of ${row.name}`} />
    </div>
  );
}

function NameCell({ row }: { row: FleetRow }) {
  return (
    <div className={classes.name}>
      <Link to="/connections/$id/timeline" params={{ id: row.id }} className="cut" title={row.name} tabIndex={-1}>
        {row.name}
      </Link>
      <span className={`${classes.way} cut`}>
        {row.source_name} <span aria-label="to">→</span> {row.destination_name}
      </span>
    </div>
  );
}

function FreshCell({ row }: { row: FleetRow }) {
  const late = row.freshness === 'delayed';
  return (
    <div className={classes.two} data-late={late || undefined}>
      <TimeAgo at={row.last_success_at} otherwise="never" />
      <Late row={row} />
    </div>
  );
}

function Late({ row }: { row: FleetRow }) {
  const now = useNow(10_000);
  if (row.freshness !== 'delayed') return row.last_success_at === undefined ? null : <span className={classes.below}>on schedule</span>;
  const since = row.delayed_at ? now - Date.parse(row.delayed_at) : Number.NaN;
  return <span className={classes.below}>{since > 0 ? `${duration(Math.max(60_000, Math.floor(since / 60_000) * 60_000))} late` : 'delayed'}</span>;
}

function RowsCell({ row }: { row: FleetRow }) {
  if (row.sync?.state === 'running') return <LiveRows row={row} />;
  return <span title={row.last_sync ? `${count(row.last_sync.rows)} rows` : undefined}>{short(row.last_sync?.rows)}</span>;
}

function LiveRows({ row }: { row: FleetRow }) {
  const p = useProgress(row.sync?.id);
  const rows = p?.rows ?? row.sync?.progress?.rows;
  return (
    <div className={classes.two}>
      <span title={`${count(rows)} rows read`}>{short(rows)}</span>
      <span className={classes.below}>{rate(p?.rows_per_second ?? row.sync?.progress?.rows_per_second, '').trim()}</span>
    </div>
  );
}

function LastCell({ row }: { row: FleetRow }) {
  if (!row.last_sync) return <span className="faint">never</span>;
  return (
    <div className={classes.two}>
      <TimeAgo at={row.last_sync.ended_at} />
      <span className={classes.below} title={row.failure?.message}>
        {row.last_sync.outcome === 'failed' && row.failure ? row.failure.code : `took ${duration(row.last_sync.seconds * 1000)}`}
      </span>
    </div>
  );
}

function NextCell({ row }: { row: FleetRow }) {
  if (row.sync?.state === 'running') return <Eta row={row} />;
  if (row.sync?.state === 'retrying' && row.sync.retry_at)
    return (
      <div className={classes.two}>
        <TimeAgo at={row.sync.retry_at} />
        <span className={classes.below}>next attempt</span>
      </div>
    );
  if (row.sync)
    return (
      <div className={classes.two}>
        <span>queued</span>
        <span className={`${classes.below} cut`} title={row.waiting}>
          {row.waiting ?? 'waits for a place'}
        </span>
      </div>
    );
  if (row.paused) return <span className="faint">paused</span>;
  if (row.rescheduled_for)
    return (
      <div className={classes.two}>
        <TimeAgo at={row.rescheduled_for} />
        <span className={classes.below}>quota</span>
      </div>
    );
  return (
    <div className={classes.two}>
      <TimeAgo at={row.next_run_at} otherwise={row.schedule.manual ? 'when asked' : none} />
      {!row.schedule.manual && <span className={`${classes.below} cut`}>{schedule(row.schedule)}</span>}
    </div>
  );
}

function Eta({ row }: { row: FleetRow }) {
  const p = useProgress(row.sync?.id);
  const left = p ? eta(p) : null;
  return (
    <div className={classes.two}>
      <span>running</span>
      <span className={classes.below}>{left === null ? <TimeAgo at={row.sync?.started_at} /> : `${duration(left * 1000)} left`}</span>
    </div>
  );
}

/** A strip as one path for each tone: thousands of rectangles would take longer than all else of the list. */
function Days30({ row, days }: { row: FleetRow; days: Days }) {
  if (!days) return <span className={classes.noStrip} />;
  const strip = days.strips[row.id];
  const cells = stripCells(strip, days.first, days.days);
  const paths = new Map<string, string>();
  cells.forEach((c, i) => {
    const tone = c.status ? statusWord(c.status).tone : 'none';
    paths.set(tone, `${paths.get(tone) ?? ''}M${i * 6} 0h4v18h-4z`);
  });
  const width = days.days * 6 - 2;
  return (
    <svg
      width={width}
      height={18}
      viewBox={`0 0 ${width} 18`}
      role="img"
      aria-label={stripLabel(strip)}
      className={classes.strip}
      onPointerMove={(e) => {
        // The day under the pointer, as the tooltip of the cell around.
        const cell = cells[Math.floor((e.clientX - e.currentTarget.getBoundingClientRect().left) / 6)];
        if (cell) e.currentTarget.parentElement?.setAttribute('title', cell.title);
      }}
    >
      {[...paths].map(([tone, d]) => (
        <path key={tone} d={d} data-tone={tone} />
      ))}
    </svg>
  );
}

function Labels({ row }: { row: FleetRow }) {
  const entries = Object.entries(row.labels ?? {});
  if (entries.length === 0) return <span className="faint">{none}</span>;
  return (
    <span className={classes.labels}>
      {entries.map(([k, v]) => (
        <span key={k} className={classes.label}>
          {k}={v}
        </span>
      ))}
    </span>
  );
}

function CardNext({ row }: { row: FleetRow }) {
  if (row.sync?.state === 'running') return 'running';
  if (row.sync?.state === 'retrying' && row.sync.retry_at)
    return (
      <>
        next attempt <TimeAgo at={row.sync.retry_at} />
      </>
    );
  if (row.sync) return row.waiting ?? 'queued';
  if (row.paused) return 'paused';
  const next = row.rescheduled_for ?? row.next_run_at;
  return next ? (
    <>
      next <TimeAgo at={next} />
    </>
  ) : null;
}

/** A row where there is no width for columns. */
export function Card({ row, days }: { row: FleetRow; days: Days }) {
  return (
    <div className={classes.card}>
      <div className={classes.cardTop}>
        <Link to="/connections/$id/timeline" params={{ id: row.id }} className="cut" tabIndex={-1}>
          {row.name}
        </Link>
        <HealthBadge status={rowStatus(row)} />
      </div>
      <div className={`${classes.way} cut`}>
        {row.source_name} <span aria-label="to">→</span> {row.destination_name}
      </div>
      <div className={classes.cardFacts} data-late={row.freshness === 'delayed' || undefined}>
        <span>
          fresh <TimeAgo at={row.last_success_at} otherwise="never" />
        </span>
        <span>{row.last_sync ? `${short(row.last_sync.rows)} rows` : 'no rows yet'}</span>
        <span className="cut">
          <CardNext row={row} />
        </span>
      </div>
      <Days30 row={row} days={days} />
    </div>
  );
}

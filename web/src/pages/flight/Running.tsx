import { Link, useNavigate } from '@tanstack/react-router';
import type { FleetRow } from '../../api/fleet';
import { eta, share, useProgress } from '../../api/progress';
import { Meter, Sparkline } from '../../ui/charts';
import { DataTable, type Column } from '../../ui/DataTable';
import { count, none, percent, rate, short, tightDuration } from '../../ui/format';
import { StatusDot } from '../../ui/StatusDot';
import { useNow } from '../../ui/Time';
import classes from './Flight.module.css';

function useProgressOf(row: FleetRow) {
  const live = useProgress(row.sync?.id);
  return live ?? (row.sync?.progress ? { ...row.sync.progress, rates: [] } : undefined);
}

const phases: Record<string, string> = { waiting: 'Starting', reading: 'Reading', finishing: 'Finishing', retrying: 'Retrying' };

function phaseOf(row: FleetRow, phase: string | undefined): string {
  if (row.sync?.cancelling) return 'Ending';
  return phases[phase ?? 'waiting'] ?? 'Starting';
}

function Name({ row }: { row: FleetRow }) {
  return (
    <div className={classes.flightName}>
      <StatusDot status="syncing" size={13} />
      <div className="grow">
        <Link to="/connections/$id/timeline" params={{ id: row.id }} className="cut" tabIndex={-1} title={row.name}>
          {row.name}
        </Link>
        <div className={`${classes.way} cut`}>
          {row.source_name} → {row.destination_name}
        </div>
      </div>
    </div>
  );
}

function Phase({ row }: { row: FleetRow }) {
  const p = useProgressOf(row);
  const attempt = row.sync?.attempts ?? 1;
  return (
    <div>
      <div>{phaseOf(row, p?.phase)}</div>
      <div className={classes.way}>{attempt > 1 ? `attempt ${attempt}` : p && p.streams > 0 ? `${count(p.done)} of ${count(p.streams)} streams` : ' '}</div>
    </div>
  );
}

function Progress({ row }: { row: FleetRow }) {
  const p = useProgressOf(row);
  const part = p ? share(p) : null;
  return (
    <div className={classes.progress}>
      <div className={classes.progressText}>
        <span>{p ? `${short(p.rows)} rows` : none}</span>
        <span className="dim">{part === null ? '' : percent(part)}</span>
      </div>
      <Meter share={part} label={`Progress of ${row.name}`} />
    </div>
  );
}

function Rate({ row }: { row: FleetRow }) {
  const p = useProgressOf(row);
  return (
    <span className="num">{rate(p?.rows_per_second)}</span>
  );
}

function Trend({ row }: { row: FleetRow }) {
  const p = useProgressOf(row);
  return p && p.rates.length > 2 ? <Sparkline values={p.rates} width={64} height={18} label="Rows a second of the last minute and a half" tone="syncing" /> : null;
}

function Eta({ row }: { row: FleetRow }) {
  const p = useProgressOf(row);
  const left = p ? eta(p) : null;
  return <span className="num">{left === null ? <span className="faint">{none}</span> : tightDuration(left * 1000)}</span>;
}

/** How old the data in the destination are. */
function Lag({ row }: { row: FleetRow }) {
  const now = useNow(1000);
  if (!row.last_success_at) return <span className="faint">{none}</span>;
  return (
    <span className="num" data-late={row.freshness === 'delayed' || undefined}>
      {tightDuration(now - Date.parse(row.last_success_at))}
    </span>
  );
}

function For({ row }: { row: FleetRow }) {
  const now = useNow(1000);
  return <span className="num">{row.sync?.started_at ? tightDuration(now - Date.parse(row.sync.started_at)) : none}</span>;
}

const columns: Column<FleetRow>[] = [
  { key: 'name', head: 'Connection', width: 'minmax(150px, 1.6fr)', cell: (r) => <Name row={r} /> },
  { key: 'phase', head: 'Phase', width: '104px', cell: (r) => <Phase row={r} />, from: 520 },
  { key: 'progress', head: 'Read', width: 'minmax(110px, 1fr)', cell: (r) => <Progress row={r} /> },
  { key: 'trend', head: <span className="sr">Rate of late</span>, width: '80px', cell: (r) => <Trend row={r} />, from: 680 },
  { key: 'rate', head: 'Rate', width: '100px', align: 'right', cell: (r) => <Rate row={r} /> },
  { key: 'eta', head: 'Left', width: '54px', align: 'right', cell: (r) => <Eta row={r} />, from: 480 },
  { key: 'lag', head: <span title="Age of the data in the destination">Lag</span>, width: '54px', align: 'right', cell: (r) => <Lag row={r} /> },
  { key: 'for', head: <span title="Since the sync began">For</span>, width: '54px', align: 'right', cell: (r) => <For row={r} />, from: 660 },
];

function Narrow({ row }: { row: FleetRow }) {
  return (
    <div className={classes.narrow}>
      <div className={classes.narrowLine}>
        <Name row={row} />
        <Rate row={row} />
      </div>
      <Progress row={row} />
    </div>
  );
}

/** All syncs that run, as a controller sees planes. */
export function RunningBoard({ rows, height = 380 }: { rows: readonly FleetRow[]; height?: number | string }) {
  const navigate = useNavigate();
  return (
    <DataTable
      label="Running syncs"
      rows={rows}
      rowKey={(r) => r.id}
      columns={columns}
      rowHeight={46}
      maxHeight={height}
      narrow={(r) => <Narrow row={r} />}
      narrowHeight={76}
      onOpen={(r) => void navigate({ to: '/connections/$id/timeline', params: { id: r.id } })}
      empty={<p className={classes.quiet}>No sync runs at the moment.</p>}
    />
  );
}

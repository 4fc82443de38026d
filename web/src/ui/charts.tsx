import classes from './charts.module.css';
import { statusWord, type Tone } from './status';

/** A line of numbers, the oldest first. Decoration: say in `label` what it shows. */
export function Sparkline({ values, width = 80, height = 20, label, tone, max }: { values: readonly number[]; width?: number; height?: number; label: string; tone?: Tone; max?: number }) {
  const top = Math.max(max ?? 0, ...values, 1e-9);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const points = values.map((v, i) => `${(i * step).toFixed(1)},${(height - 1 - (Math.max(0, v) / top) * (height - 3)).toFixed(1)}`);
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} className={classes.spark} data-tone={tone} preserveAspectRatio="none">
      {points.length > 1 && (
        <>
          <path d={`M0,${height} L${points.join(' L')} L${width},${height} Z`} className={classes.area} />
          <polyline points={points.join(' ')} className={classes.line} />
        </>
      )}
    </svg>
  );
}

export interface StripCell {
  /** A status of the API, or a tone; none: nothing happened. */
  status?: string | undefined;
  /** What happened, for the tooltip and screen readers. */
  title: string;
}

/** Cells in a row, as of the last 30 days, the oldest first. */
export function Strip({ cells, label, height = 16, gap = 2, cell = 5 }: { cells: readonly StripCell[]; label: string; height?: number; gap?: number; cell?: number }) {
  const width = cells.length * (cell + gap) - gap;
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} className={classes.strip}>
      {cells.map((c, i) => (
        <rect key={i} x={i * (cell + gap)} y={0} width={cell} height={height} rx={1.5} data-tone={c.status ? statusWord(c.status).tone : 'none'}>
          <title>{c.title}</title>
        </rect>
      ))}
    </svg>
  );
}

export interface HeatRow {
  key: string;
  label: string;
  /** Shares from 0 (good) to 1 (bad); null where nothing is known. */
  cells: readonly (number | null)[];
}

/** Rows of cells that get redder as shares grow; every cell says its value on hover. */
export function HeatMap({ rows, columns, label, cellLabel }: { rows: readonly HeatRow[]; columns: readonly string[]; label: string; cellLabel: (row: HeatRow, column: number) => string }) {
  return (
    <div className={classes.heatFrame} role="region" aria-label={label} tabIndex={0}>
      <table className={classes.heat}>
        <caption className="sr">{label}</caption>
        <thead>
          <tr>
            <td />
            {columns.map((c, i) => (
              <th key={i} scope="col">
                {c}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={r.key}>
              <th scope="row" className="cut">
                {r.label}
              </th>
              {r.cells.map((v, i) => (
                <td key={i} title={cellLabel(r, i)}>
                  <span className={classes.heatCell} data-level={v === null ? 'none' : v === 0 ? 0 : Math.min(4, 1 + Math.floor(v * 4))} />
                  <span className="sr">{cellLabel(r, i)}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How far something is, 0 to 1; null: nobody knows, but it goes on. */
export function Meter({ share, label, tone = 'syncing' }: { share: number | null; label: string; tone?: Tone }) {
  const percent = share === null ? undefined : Math.round(Math.min(1, share) * 100);
  return (
    <div className={classes.meter} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent} data-tone={tone}>
      <div className={classes.fill} data-unknown={share === null || undefined} style={share === null ? undefined : { width: `${percent}%` }} />
    </div>
  );
}

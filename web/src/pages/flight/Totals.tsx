import { useEffect, useState } from 'react';
import type { FleetRow } from '../../api/fleet';
import { progress } from '../../api/progress';
import { Sparkline } from '../../ui/charts';
import { count, short } from '../../ui/format';
import { StatusDot } from '../../ui/StatusDot';
import { useUrl } from '../../ui/useUrl';
import type { Tally } from './board';
import classes from './Flight.module.css';

function useTotalRate(running: readonly FleetRow[]): readonly number[] {
  const [rates, setRates] = useState<readonly number[]>([]);
  useEffect(() => {
    const take = () => {
      let sum = 0;
      for (const r of running) sum += (r.sync ? (progress.get(r.sync.id)?.rows_per_second ?? r.sync.progress?.rows_per_second) : 0) ?? 0;
      setRates((before) => [...before, sum].slice(-90));
    };
    take();
    const timer = setInterval(take, 1000);
    return () => clearInterval(timer);
  }, [running]);
  return rates;
}

interface Tile {
  label: string;
  value: number;
  /** The status whose shape stands before the label. */
  status?: string;
  /** What a click filters by. */
  filter?: Record<string, string>;
}

/** The numbers on top; those of a status filter by it, and again to take it back. */
export function Totals({ tally: t, running }: { tally: Tally; running: readonly FleetRow[] }) {
  const [url, set] = useUrl();
  const rates = useTotalRate(running);
  const tiles: Tile[] = [
    { label: 'Down', value: t.down, status: 'down', filter: { status: 'down' } },
    { label: 'Needs action', value: t.needsAction, status: 'needs_action', filter: { status: 'needs_action' } },
    { label: 'Degraded', value: t.degraded, status: 'degraded', filter: { status: 'degraded' } },
    { label: 'Late', value: t.late, status: 'delayed', filter: { fresh: 'delayed' } },
    { label: 'Waiting', value: t.waiting, status: 'queued' },
    { label: 'Running', value: t.running, status: 'syncing' },
    { label: 'Healthy', value: t.healthy, status: 'healthy' },
  ];
  return (
    <div className={classes.totals} role="group" aria-label="The fleet in numbers">
      {tiles.map((tile) => {
        const [key, value] = Object.entries(tile.filter ?? {})[0] ?? [];
        const on = key !== undefined && url[key] === value;
        const inside = (
          <>
            <span className={classes.totalLabel}>
              {tile.status && <StatusDot status={tile.status} size={11} />}
              {tile.label}
            </span>
            <span className={classes.totalValue} data-status={tile.value > 0 ? tile.status : undefined}>
              {count(tile.value)}
            </span>
          </>
        );
        return key !== undefined ? (
          <button key={tile.label} type="button" className={classes.total} aria-pressed={on} onClick={() => set({ [key]: on ? undefined : value })}>
            {inside}
          </button>
        ) : (
          <div key={tile.label} className={classes.total}>
            {inside}
          </div>
        );
      })}
      <div className={classes.total} data-wide>
        <span className={classes.totalLabel}>Rows a second</span>
        <span className={classes.totalRate}>
          <span className={classes.totalValue}>{short(Math.round(rates.at(-1) ?? 0))}</span>
          <Sparkline values={rates} width={96} height={28} label="Rows a second of the last minute and a half" tone="syncing" />
        </span>
      </div>
    </div>
  );
}

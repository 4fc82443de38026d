import { Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import type { Fleet } from '../../api/fleet';
import { count, plural } from '../../ui/format';
import { Load } from '../../ui/States';
import { useNow } from '../../ui/Time';
import { useUrl } from '../../ui/useUrl';
import { filtered } from '../connections/rows';
import { Causes, Late, Waits } from './Attention';
import { causes, late, running, tally, waits } from './board';
import { Day } from './Day';
import { FleetMap } from './FleetMap';
import classes from './Flight.module.css';
import { Regions } from './Regions';
import { RunningBoard } from './Running';
import { Totals } from './Totals';

/** Milliseconds that each list is shown. */
const turn = 12_000;

/** Flight control for a screen on a wall: everything larger, nothing to click, lists in turn. */
export function WallDisplay({ fleet }: { fleet: UseQueryResult<Fleet> }) {
  const [, set] = useUrl();
  const now = useNow(1000);
  useEffect(() => {
    const leave = (e: KeyboardEvent) => e.key === 'Escape' && !document.fullscreenElement && set({ display: undefined });
    addEventListener('keydown', leave);
    document.title = 'Flight control · Sluice';
    return () => removeEventListener('keydown', leave);
  }, [set]);
  const full = () => void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => undefined);
  return (
    <div className={classes.wall}>
      <div className={classes.wallHead}>
        <h1 className={classes.wallTitle}>Flight control</h1>
        <time className={classes.clock} dateTime={new Date(now).toISOString()}>
          {new Date(now).toLocaleTimeString('en-GB')}
        </time>
        <div className={classes.wallButtons}>
          <Button variant="subtle" color="gray" onClick={full}>
            Full screen
          </Button>
          <Button variant="subtle" color="gray" onClick={() => set({ display: undefined })}>
            Leave
          </Button>
        </div>
      </div>
      <Load query={fleet}>{(f) => <WallBoard fleet={f} />}</Load>
    </div>
  );
}

function WallBoard({ fleet }: { fleet: Fleet }) {
  const [url] = useUrl();
  const rows = useMemo(() => filtered(fleet.items, url), [fleet, url]);
  const seen = useMemo(() => ({ tally: tally(rows), running: running(rows), causes: causes(rows), waits: waits(rows), late: late(rows) }), [rows]);
  // Only what there is takes its turn; where nothing is wrong, the day does.
  const lists = [
    ...(seen.causes.length > 0 ? [{ title: 'What fails, and why', what: plural(seen.causes.length, 'cause'), body: <Causes causes={seen.causes.slice(0, 6)} most={6} /> }] : []),
    ...(seen.late.length > 0 ? [{ title: 'What is late', what: count(seen.late.length), body: <Late rows={seen.late.slice(0, 12)} most={12} /> }] : []),
    ...(seen.waits.length > 0 ? [{ title: 'What waits, and why', what: count(seen.tally.waiting), body: <Waits waits={seen.waits.slice(0, 6)} most={6} /> }] : []),
    { title: 'Regions and workers', what: '', body: <Regions /> },
  ];
  const [at, setAt] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setAt((n) => n + 1), turn);
    return () => clearInterval(timer);
  }, []);
  const list = lists[at % lists.length]!;
  return (
    <>
      <Totals tally={seen.tally} running={seen.running} />
      <div className={classes.wallColumns}>
        <div className={classes.wallLeft}>
          <div className={classes.wallPart}>
            <h2 className="sr">The fleet</h2>
            <FleetMap rows={rows} scale={1.5} />
          </div>
          <h2 className={classes.wallSub}>In the air</h2>
          <RunningBoard rows={seen.running} height={rows.length > 500 ? '34vh' : '44vh'} />
        </div>
        <div className={classes.wallRight}>
          <section aria-label={list.title} className={classes.wallTurn}>
            <h2 className={classes.wallSub}>
              {list.title} <span className="dim">{list.what}</span>
              <span className={classes.dots} aria-hidden>
                {lists.map((l, i) => (
                  <i key={l.title} data-on={i === at % lists.length || undefined} />
                ))}
              </span>
            </h2>
            {list.body}
          </section>
          <section aria-label="Last 24 hours">
            <h2 className={classes.wallSub}>Last 24 hours</h2>
            <Day />
          </section>
        </div>
      </div>
    </>
  );
}

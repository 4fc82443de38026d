import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useFleet, type Fleet, type FleetRow } from '../../api/fleet';
import { useMay } from '../../api/me';
import { Filters } from '../../ui/Filters';
import { count, plural } from '../../ui/format';
import { IconConnections, IconPlus, IconWall } from '../../ui/icons';
import { PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { useUrl } from '../../ui/useUrl';
import { Views } from '../../ui/Views';
import { choices, filtered, statusChoices } from '../connections/rows';
import { Causes, Late, Waits } from './Attention';
import { causes, late, running, tally, waits } from './board';
import { Day } from './Day';
import { FleetMap, GroupBy } from './FleetMap';
import classes from './Flight.module.css';
import { Regions } from './Regions';
import { RunningBoard } from './Running';
import { Totals } from './Totals';
import { WallDisplay } from './WallDisplay';

/** Flight control: what happens now, what is wrong, and what to do. */
export function Page() {
  const fleet = useFleet();
  const [url, set] = useUrl();
  const edit = useMay('edit');
  if (url.display === 'wall') return <WallDisplay fleet={fleet} />;
  return (
    <PageFrame
      title="Flight control"
      summary={fleet.data && fleet.data.items.length > 0 && <Summary rows={fleet.data.items} />}
      actions={
        <>
          <Views page="/" />
          <Button variant="default" leftSection={<IconWall size={14} />} onClick={() => set({ display: 'wall' }, { push: true })}>
            Wall display
          </Button>
          {edit && (
            <Button component={Link} to="/setup" leftSection={<IconPlus size={14} />}>
              New connection
            </Button>
          )}
        </>
      }
    >
      <Load query={fleet} lines={10}>
        {(f) => (f.items.length === 0 ? <Nothing edit={edit} /> : <Board fleet={f} />)}
      </Load>
    </PageFrame>
  );
}

function Summary({ rows }: { rows: readonly FleetRow[] }) {
  const t = useMemo(() => tally(rows), [rows]);
  const bad = t.down + t.needsAction + t.degraded;
  return (
    <>
      {plural(t.all, 'connection')}, {bad === 0 ? (t.paused > 0 ? `none fails, ${count(t.paused)} paused` : 'none fails') : `${count(bad)} ${bad === 1 ? 'wants' : 'want'} attention`}
    </>
  );
}

function Nothing({ edit }: { edit: boolean }) {
  return (
    <EmptyState
      icon={<IconConnections size={28} />}
      title="No connections yet"
      action={
        edit ? (
          <Button component={Link} to="/setup" size="sm">
            Set up the first one
          </Button>
        ) : undefined
      }
    >
      Here you will see every sync as it runs, what waits, what is late and what fails. {edit ? 'It takes about three minutes to set a connection up.' : 'Nobody has shown you a connection yet.'}
    </EmptyState>
  );
}

function Board({ fleet }: { fleet: Fleet }) {
  const [url] = useUrl();
  const all = fleet.items;
  const filters = useMemo(
    () => [
      { name: 'status', label: 'Status', options: statusChoices },
      { name: 'team', label: 'Team', options: choices(all, 'team') },
      { name: 'connector', label: 'Connector', options: choices(all, 'connector') },
      { name: 'region', label: 'Region', options: choices(all, 'region') },
      { name: 'label', label: 'Label', options: choices(all, 'label') },
    ],
    [all],
  );
  const rows = useMemo(() => filtered(all, url), [all, url]);
  const seen = useMemo(() => ({ tally: tally(rows), running: running(rows), causes: causes(rows), waits: waits(rows), late: late(rows) }), [rows]);
  return (
    <>
      <Filters search={{ label: 'Search connections' }} filters={filters} />
      <Totals tally={seen.tally} running={seen.running} />
      {rows.length === 0 ? (
        <EmptyState title="No connection is like that">Take filters back to see the others.</EmptyState>
      ) : (
        <div className={classes.columns}>
          <div className={classes.left}>
            <Section title="In the air" summary={seen.running.length > 0 ? plural(seen.running.length, 'sync runs', 'syncs run') : undefined}>
              <RunningBoard rows={seen.running} height={seen.running.length > 8 ? 440 : 'none'} />
            </Section>
            <Section title="The fleet" summary={plural(rows.length, 'connection')} actions={<GroupBy rows={all} />}>
              <FleetMap rows={rows} />
              <Legend />
            </Section>
          </div>
          <div className={classes.right}>
            <Section title="What fails, and why" summary={seen.causes.length > 0 ? plural(seen.causes.length, 'cause') : undefined}>
              <Causes causes={seen.causes} />
            </Section>
            <Section title="What is late" summary={seen.late.length > 0 ? count(seen.late.length) : undefined}>
              <Late rows={seen.late} />
            </Section>
            <Section title="What waits, and why" summary={seen.tally.waiting > 0 ? count(seen.tally.waiting) : undefined}>
              <Waits waits={seen.waits} />
            </Section>
            <Section title="Last 24 hours" summary="syncs by hour">
              <Day />
            </Section>
            <Section title="Regions and workers" actions={<Link to="/system">System</Link>}>
              <Regions />
            </Section>
          </div>
        </div>
      )}
    </>
  );
}

function Legend() {
  const marks: [string, string][] = [
    ['healthy', 'Healthy'],
    ['degraded', 'Degraded'],
    ['needs_action', 'Needs action'],
    ['down', 'Down'],
    ['queued', 'Waiting'],
    ['paused', 'Paused'],
  ];
  return (
    <ul className={classes.legend} aria-label="Marks">
      {marks.map(([status, word]) => (
        <li key={status}>
          <span className={classes.mark} data-status={status} aria-hidden />
          {word}
        </li>
      ))}
      <li>
        <span className={classes.mark} data-status="ring" aria-hidden />
        Syncing
      </li>
    </ul>
  );
}

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { regionsQuery } from '../../api/system';
import { Meter } from '../../ui/charts';
import { count, plural, tightDuration } from '../../ui/format';
import { EmptyState, Load } from '../../ui/States';
import { useNow } from '../../ui/Time';
import classes from './Flight.module.css';

/** Regions: workers, how many of their places are taken, and what waits. */
export function Regions() {
  const regions = useQuery(regionsQuery);
  const now = useNow(5000);
  return (
    <Load query={regions} lines={2}>
      {(r) =>
        r.items.length === 0 ? (
          <EmptyState title="No worker has ever reported" action={<Link to="/system">See the system</Link>} />
        ) : (
          <ul className={classes.regions}>
            {r.items.map((g) => (
              <li key={g.name} className={classes.region}>
                <div className={classes.causeHead}>
                  <b className="cut">{g.name || 'default'}</b>
                  <span className={g.workers === 0 ? classes.bad : 'dim'}>{plural(g.workers, 'worker')}</span>
                  <span className={`${classes.push} num`}>
                    {count(g.running)} of {count(g.capacity)} places
                  </span>
                </div>
                <Meter share={g.capacity > 0 ? g.running / g.capacity : 0} label={`Places taken in ${g.name || 'default'}`} tone={g.running >= g.capacity && g.waiting > 0 ? 'degraded' : 'syncing'} />
                <p className="dim">
                  {g.waiting === 0 ? 'Nothing waits' : `${plural(g.waiting, 'sync waits', 'syncs wait')}${g.oldest_due_at ? `, the first for ${tightDuration(now - Date.parse(g.oldest_due_at))}` : ''}`}
                  {g.workers === 0 && g.waiting > 0 && <span className={classes.bad}> with no worker to run them</span>}
                </p>
              </li>
            ))}
          </ul>
        )
      }
    </Load>
  );
}

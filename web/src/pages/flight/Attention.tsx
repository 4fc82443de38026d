import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import type { FleetRow } from '../../api/fleet';
import { count, plural, tightDuration } from '../../ui/format';
import { HealthBadge } from '../../ui/StatusDot';
import { classes as failureClasses } from '../../ui/status';
import { useNow } from '../../ui/Time';
import type { Cause, Wait } from './board';
import classes from './Flight.module.css';

const few = 3;

/** The first few connections as links, and how many more there are. */
function Some({ rows, search }: { rows: readonly FleetRow[]; search?: Record<string, string> }) {
  return (
    <div className={classes.some}>
      {rows.slice(0, few).map((r) => (
        <Link key={r.id} to="/connections/$id/timeline" params={{ id: r.id }} className={classes.someLink}>
          {r.name}
        </Link>
      ))}
      {rows.length > few && (
        <Link to="/connections" search={search ?? {}} className={classes.more}>
          and {count(rows.length - few)} more
        </Link>
      )}
    </div>
  );
}

/** A list of which only the first are shown until one wants all. */
function Capped<T>({ items, most, children }: { items: readonly T[]; most: number; children: (item: T) => ReactNode }) {
  const [all, setAll] = useState(false);
  const shown = all ? items : items.slice(0, most);
  return (
    <>
      <ul className={classes.list}>{shown.map(children)}</ul>
      {items.length > most && (
        <button type="button" className={classes.link} onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${count(items.length)}`}
        </button>
      )}
    </>
  );
}

function Ago({ since }: { since: number }) {
  const now = useNow(1000);
  return Number.isNaN(since) ? null : (
    <span className="dim num" title="Since when">
      {tightDuration(now - since)}
    </span>
  );
}

/** What fails, by cause: one line of what and why for all that it holds down. */
export function Causes({ causes, most = 5 }: { causes: readonly Cause[]; most?: number }) {
  if (causes.length === 0) return <p className={classes.quiet}>Nothing fails.</p>;
  return (
    <Capped items={causes} most={most}>
      {(c) => (
        <li key={c.key} className={classes.cause} data-status={c.status}>
          <div className={classes.causeHead}>
            <HealthBadge status={c.status} />
            <code className={classes.causeCode}>{c.code}</code>
            {c.class && <span className="dim">{failureClasses[c.class]?.word ?? c.class}</span>}
            <span className={classes.push}>
              {c.rows.length > 1 && <b>{plural(c.rows.length, 'connection')}</b>} <Ago since={c.since} />
            </span>
          </div>
          <p className={classes.causeText} title={c.message}>
            {c.message}
          </p>
          <div className={classes.causeFoot}>
            <Some rows={c.rows} search={{ q: c.code }} />
            <span className={classes.push}>
              {c.incident && (
                <Link to="/health/incidents/$id" params={{ id: c.incident }}>
                  Incident
                </Link>
              )}
              {c.runbook && (
                <Link to="/health/runbooks/$id" params={{ id: c.runbook }}>
                  Runbook
                </Link>
              )}
            </span>
          </div>
        </li>
      )}
    </Capped>
  );
}

/** What waits, by why. */
export function Waits({ waits, most = 4 }: { waits: readonly Wait[]; most?: number }) {
  if (waits.length === 0) return <p className={classes.quiet}>Nothing waits.</p>;
  return (
    <Capped items={waits} most={most}>
      {(w) => (
        <li key={w.reason} className={classes.line}>
          <div className={classes.causeHead}>
            <b className="num">{count(w.rows.length)}</b>
            <span className="grow">{w.reason}</span>
            <Ago since={w.since} />
          </div>
          <Some rows={w.rows} search={{ status: 'queued' }} />
        </li>
      )}
    </Capped>
  );
}

/** What is late, and by how much. */
export function Late({ rows, most = 5 }: { rows: readonly FleetRow[]; most?: number }) {
  const now = useNow(1000);
  if (rows.length === 0) return <p className={classes.quiet}>Nothing is late.</p>;
  return (
    <Capped items={rows} most={most}>
      {(r) => (
        <li key={r.id} className={classes.lateLine}>
          <Link to="/connections/$id/timeline" params={{ id: r.id }} className={`${classes.someLink} cut grow`}>
            {r.name}
          </Link>
          <span className="dim cut">{r.team}</span>
          <span className={`${classes.lateBy} num`} title="Past its freshness objective by">
            {r.delayed_at ? `late by ${tightDuration(now - Date.parse(r.delayed_at))}` : 'late'}
          </span>
        </li>
      )}
    </Capped>
  );
}

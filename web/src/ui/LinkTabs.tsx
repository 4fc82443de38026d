import type { ReactNode } from 'react';
import classes from './LinkTabs.module.css';

/**
 * The parts of a page as links, so that each has an address. Give it the router's
 * links: `<LinkTabs label="Health"><Link to="/health/incidents">Incidents</Link>…`.
 */
export function LinkTabs({ label, children }: { label: string; children: ReactNode }) {
  return (
    <nav aria-label={label} className={classes.tabs}>
      {children}
    </nav>
  );
}

import { useLocation } from '@tanstack/react-router';
import { useEffect, useRef, type ReactNode } from 'react';
import classes from './LinkTabs.module.css';

/**
 * The parts of a page as links, so that each has an address. Give it the router's
 * links: `<LinkTabs label="Health"><Link to="/health/incidents">Incidents</Link>…`.
 * Where they do not all fit, the one that is open is in sight.
 */
export function LinkTabs({ label, children }: { label: string; children: ReactNode }) {
  const nav = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  useEffect(() => {
    const tabs = nav.current;
    const open = tabs?.querySelector<HTMLElement>('[data-status="active"]');
    if (tabs && open) tabs.scrollLeft = Math.max(0, open.offsetLeft - tabs.offsetLeft + open.offsetWidth - tabs.clientWidth + 24);
  }, [pathname]);
  return (
    <nav ref={nav} aria-label={label} className={classes.tabs}>
      {children}
    </nav>
  );
}

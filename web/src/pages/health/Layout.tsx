import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { LinkTabs } from '../../ui/LinkTabs';
import { PageFrame } from '../../ui/PageFrame';
import classes from './Health.module.css';

export function Page() {
  const at = useRouterState({ select: (s) => s.location.pathname });
  // In a narrow window the tabs go beyond it: the current one is to be seen.
  useEffect(() => {
    document.querySelector('[aria-label="Health"] [aria-current="page"]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [at]);
  return (
    <PageFrame
      title="Health"
      tabs={
        <LinkTabs label="Health">
          <Link to="/health/incidents">Incidents</Link>
          <Link to="/health/tickets">Tickets</Link>
          <Link to="/health/wall">Wall</Link>
          <Link to="/health/alerts">Alerts</Link>
          <Link to="/health/channels">Channels and trackers</Link>
          <Link to="/health/silences">Silences</Link>
          <Link to="/health/rota">Rota</Link>
          <Link to="/health/runbooks">Runbooks</Link>
          <Link to="/health/downtime">Downtime</Link>
          <Link to="/health/policy">Policy</Link>
        </LinkTabs>
      }
    >
      <div className={classes.pages}>
        <Outlet />
      </div>
    </PageFrame>
  );
}

import { Link, Outlet } from '@tanstack/react-router';
import { LinkTabs } from '../../ui/LinkTabs';
import { PageFrame } from '../../ui/PageFrame';

export function Page() {
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
      <Outlet />
    </PageFrame>
  );
}

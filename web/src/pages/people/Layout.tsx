import { Link, Outlet } from '@tanstack/react-router';
import { LinkTabs } from '../../ui/LinkTabs';
import { PageFrame } from '../../ui/PageFrame';

export function Page() {
  return (
    <PageFrame
      title="People"
      tabs={
        <LinkTabs label="People">
          <Link to="/people/users">Users</Link>
          <Link to="/people/tokens">API tokens</Link>
          <Link to="/people/audit">Audit</Link>
        </LinkTabs>
      }
    >
      <Outlet />
    </PageFrame>
  );
}

import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useMay } from '../../api/me';
import { LinkTabs } from '../../ui/LinkTabs';
import { PageFrame } from '../../ui/PageFrame';

export function Page() {
  const manage = useMay('manage');
  const audit = useMay('audit');
  const { pathname } = useLocation();
  // One account is a page of its own, with its own heading.
  if (/^\/people\/users\/.+/.test(pathname)) return <Outlet />;
  return (
    <PageFrame
      title="People"
      tabs={
        <LinkTabs label="People">
          {manage && <Link to="/people/users">Users</Link>}
          <Link to="/people/tokens">API tokens</Link>
          {audit && <Link to="/people/audit">Audit</Link>}
        </LinkTabs>
      }
    >
      <Outlet />
    </PageFrame>
  );
}

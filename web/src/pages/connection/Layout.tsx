import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useParams } from '@tanstack/react-router';
import { connectionQuery } from '../../api/connections';
import { LinkTabs } from '../../ui/LinkTabs';
import { PageFrame } from '../../ui/PageFrame';

export function Page() {
  const { id } = useParams({ from: '/shell/connections/$id' });
  const connection = useQuery(connectionQuery(id));
  return (
    <PageFrame
      title={connection.data?.name ?? 'Connection'}
      above={<Link to="/connections">Connections</Link>}
      tabs={
        <LinkTabs label="Connection">
          <Link to="/connections/$id/timeline" params={{ id }}>Timeline</Link>
          <Link to="/connections/$id/charts" params={{ id }}>Charts</Link>
          <Link to="/connections/$id/streams" params={{ id }}>Streams</Link>
          <Link to="/connections/$id/schema" params={{ id }}>Schema</Link>
          <Link to="/connections/$id/state" params={{ id }}>State</Link>
          <Link to="/connections/$id/logs" params={{ id }}>Logs</Link>
          <Link to="/connections/$id/settings" params={{ id }}>Settings</Link>
        </LinkTabs>
      }
    >
      <Outlet />
    </PageFrame>
  );
}

import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../../api/client';
import { alertRoutesQuery } from '../../api/health';
import { endsQuery } from '../../api/outward';
import { DataTable, type Column } from '../../ui/DataTable';
import { Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { matcherText } from './matchers';

type Route = Schemas['RouteSpec'];

/** Who is told of what: the first route that takes an alert counts. */
export function AlertRoutes() {
  const query = useQuery(alertRoutesQuery);
  const channels = useQuery(endsQuery('channels'));
  const name = (id: string) => channels.data?.find((c) => c.id === id)?.name ?? id;
  const columns: Column<Route>[] = [
    { key: 'name', head: 'Route', width: 'minmax(120px, 1fr)', cell: (r) => <span className="cut">{r.name}</span> },
    { key: 'match', head: 'Takes', width: 'minmax(160px, 2fr)', cell: (r) => <span className="cut">{r.match?.length ? r.match.map(matcherText).join(' and ') : 'everything'}</span> },
    { key: 'channels', head: 'Tells', width: 'minmax(140px, 2fr)', cell: (r) => <span className="cut">{r.channels.map(name).join(', ')}</span>, from: 480 },
    { key: 'repeat', head: 'Again after', width: '110px', cell: (r) => r.repeat ?? '4h', from: 760 },
    { key: 'continue', head: 'Then', width: '140px', cell: (r) => (r.continue ? 'the next is tried' : 'no other is tried'), from: 860 },
  ];
  return (
    <Section title="Routes" summary="The first that takes an alert counts" flush>
      <Load query={query} lines={2}>
        {({ value }) =>
          value.routes.length === 0 ? (
            <p className="dim">No route is set: each channel gets the alerts that its own match takes.</p>
          ) : (
            <DataTable label="Routes of alerts" rows={value.routes} rowKey={(r) => r.name} columns={columns} maxHeight={360} />
          )
        }
      </Load>
    </Section>
  );
}

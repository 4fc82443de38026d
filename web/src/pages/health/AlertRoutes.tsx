import { ActionIcon, Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { alertRoutesQuery } from '../../api/health';
import { useMay } from '../../api/me';
import { endsQuery } from '../../api/outward';
import { DataTable, type Column } from '../../ui/DataTable';
import { Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { IconPlus, IconSortDown, IconSortUp } from '../../ui/icons';
import { matcherText } from './matchers';
import { NameButton } from './NameButton';
import { RouteEditor, useRoutes } from './RouteEditor';
import { moved, type Route } from './routes';

/** Who is told of what: routes are tried in their order. */
export function AlertRoutes() {
  const query = useQuery(alertRoutesQuery);
  const may = useMay('edit');
  const [open, setOpen] = useState<number | null>(null);
  return (
    <Section
      title="Routes"
      summary="The first that takes an alert counts"
      actions={
        may && query.data ? (
          <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setOpen(query.data.value.routes.length)}>
            New route
          </Button>
        ) : undefined
      }
      flush
    >
      <Load query={query} lines={2}>
        {({ value, etag }) => (
          <>
            {value.routes.length === 0 ? <p className="dim">No route is set: each channel gets the alerts that its own match takes.</p> : <Table routes={value.routes} etag={etag} {...(may ? { onOpen: setOpen } : {})} />}
            {open !== null && <RouteEditor key={open} routes={value.routes} at={open} etag={etag} onClose={() => setOpen(null)} />}
          </>
        )}
      </Load>
    </Section>
  );
}

function Table({ routes, etag, onOpen }: { routes: readonly Route[]; etag: string; onOpen?: (at: number) => void }) {
  const channels = useQuery(endsQuery('channels'));
  const name = (id: string) => channels.data?.find((c) => c.id === id)?.name ?? id;
  const columns: Column<Route>[] = [
    { key: 'name', head: 'Route', width: 'minmax(120px, 1fr)', cell: (r) => <NameButton name={r.name} onOpen={onOpen ? () => onOpen(routes.indexOf(r)) : undefined} /> },
    { key: 'match', head: 'Takes', width: 'minmax(160px, 2fr)', cell: (r) => <span className="cut">{r.match?.length ? r.match.map(matcherText).join(' and ') : 'everything'}</span> },
    { key: 'channels', head: 'Tells', width: 'minmax(140px, 2fr)', cell: (r) => <span className="cut">{r.channels.map(name).join(', ')}</span>, from: 480 },
    { key: 'repeat', head: 'Again after', width: '110px', cell: (r) => r.repeat ?? '4h', from: 760 },
    { key: 'continue', head: 'Then', width: '140px', cell: (r) => (r.continue ? 'the next is tried' : 'no other is tried'), from: 860 },
    ...(onOpen && routes.length > 1 ? [{ key: 'order', head: 'Order', width: '84px', cell: (r: Route) => <Order routes={routes} at={routes.indexOf(r)} etag={etag} /> }] : []),
  ];
  return <DataTable label="Routes of alerts" rows={routes} rowKey={(r) => r.name} columns={columns} maxHeight={360} {...(onOpen ? { onOpen: (r: Route) => onOpen(routes.indexOf(r)) } : {})} />;
}

/** Moves a route before or after its neighbour. */
function Order({ routes, at, etag }: { routes: readonly Route[]; at: number; etag: string }) {
  const route = routes[at];
  const set = useRoutes(etag, `The route ${route?.name ?? ''} is moved`);
  const button = (by: -1 | 1, word: string, Icon: typeof IconSortUp) => (
    <ActionIcon variant="subtle" color="gray" size={26} aria-label={`Move ${route?.name ?? ''} ${word}`} disabled={set.isPending || routes[at + by] === undefined} onClick={() => set.mutate(moved(routes, at, by))}>
      <Icon size={14} />
    </ActionIcon>
  );
  return (
    <span className="row" style={{ gap: 2 }}>
      {button(-1, 'up', IconSortUp)}
      {button(1, 'down', IconSortDown)}
    </span>
  );
}

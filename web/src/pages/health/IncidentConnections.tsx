import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { incidentConnectionsQuery, type Incident } from '../../api/health';
import { useMay } from '../../api/me';
import { readMore } from '../../api/pages';
import { DataTable, type Column } from '../../ui/DataTable';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { count, plural } from '../../ui/format';
import { ofIncidents, useChange } from '../../ui/useChange';

type Row = Schemas['IncidentConnection'];

/** The connections that the cause holds down, and those that have left it. */
export function Held({ incident: i }: { incident: Incident }) {
  const query = useInfiniteQuery(incidentConnectionsQuery(i.id));
  const may = useMay('run');
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const under = i.state === 'open' || i.state === 'acknowledged';
  const split = useChange(
    ofIncidents,
    () => body(api.POST('/api/v1/incidents/{incident}/split', { params: { path: { incident: i.id } }, body: { connections: [...chosen] } })),
    `${plural(chosen.size, 'connection')} split off into an incident of their own`,
    () => setChosen(new Set()),
  );
  const rows = query.data?.pages.flatMap((p) => p.items) ?? [];
  const columns: Column<Row>[] = [
    { key: 'name', head: 'Connection', width: 'minmax(180px, 2fr)', cell: (c) => <Name row={c} /> },
    { key: 'in', head: 'Now', width: '120px', cell: (c) => <Now row={c} /> },
    { key: 'team', head: 'Team', width: 'minmax(80px, 1fr)', cell: (c) => c.team ?? <span className="faint">none</span>, from: 760 },
    { key: 'since', head: 'Failing since', width: '120px', cell: (c) => <TimeAgo at={c.failing_since} otherwise="not failing" />, from: 600 },
    { key: 'last', head: 'Last failure', width: '120px', cell: (c) => <TimeAgo at={c.last_failed_at} />, from: 860 },
    { key: 'failures', head: 'Failures', width: '80px', align: 'right', cell: (c) => count(c.failures), from: 480 },
    { key: 'log', head: 'Evidence', width: '80px', cell: (c) => (c.last_sync_id ? <Link to="/connections/$id/logs" params={{ id: c.connection_id }} search={{ sync: c.last_sync_id }}>Log</Link> : null), from: 680 },
  ];
  return (
    <Section
      title="Connections"
      summary={`${plural(i.connections, 'connection')} held down now`}
      actions={
        may && under && chosen.size > 0 ? (
          <Button variant="default" loading={split.isPending} onClick={() => split.mutate()}>
            Split {plural(chosen.size, 'connection')} off
          </Button>
        ) : undefined
      }
      flush
    >
      <Load query={query} lines={3}>
        {() => (
          <DataTable
            label="Connections of this incident"
            rows={rows}
            rowKey={(c) => c.connection_id}
            columns={columns}
            maxHeight={420}
            narrow={(c) => (
              <span className="row">
                <Name row={c} /> <Now row={c} />
              </span>
            )}
            {...(may && under ? { selected: chosen, onSelect: setChosen } : {})}
            onEnd={() => readMore(query)}
            empty={<EmptyState title="No connection of yours is in it" />}
          />
        )}
      </Load>
    </Section>
  );
}

function Name({ row: c }: { row: Row }) {
  if (!c.name) return <span className="dim cut">deleted connection {c.connection_id}</span>;
  return (
    <Link to="/connections/$id" params={{ id: c.connection_id }} className="cut">
      {c.name}
    </Link>
  );
}

function Now({ row: c }: { row: Row }) {
  if (c.left_at) return <HealthBadge status="healthy" word="Left it" soft />;
  return <HealthBadge status="down" word="In it" soft />;
}

import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, body, type Schemas } from '../../api/client';
import { useMay } from '../../api/me';
import { deliveriesQuery, endsQuery, type DeliveriesQuery } from '../../api/outward';
import { readMore } from '../../api/pages';
import { DataTable, type Column } from '../../ui/DataTable';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import type { Tone } from '../../ui/status';
import { useUrl } from '../../ui/useUrl';
import { useChange } from '../../ui/useChange';
import { Choice } from './Choice';
import classes from './Health.module.css';

type Delivery = Schemas['Delivery'];

const states: Record<Delivery['state'], { word: string; tone: Tone }> = {
  waiting: { word: 'Waiting', tone: 'waiting' },
  delivered: { word: 'Delivered', tone: 'healthy' },
  failed: { word: 'Given up', tone: 'down' },
  dropped: { word: 'Not wanted', tone: 'paused' },
};

/** The log of what went out, and of what did not. */
export function Deliveries() {
  const [url] = useUrl();
  const query = useInfiniteQuery(deliveriesQuery(url.state ? { state: url.state as NonNullable<DeliveriesQuery['state']> } : {}));
  const channels = useQuery(endsQuery('channels'));
  const trackers = useQuery(endsQuery('trackers'));
  const may = useMay('run');
  const name = (id: string) => [...(channels.data ?? []), ...(trackers.data ?? [])].find((e) => e.id === id)?.name ?? id;
  const columns: Column<Delivery>[] = [
    { key: 'state', head: 'State', width: '120px', cell: (d) => <HealthBadge status={d.state} word={states[d.state].word} tone={states[d.state].tone} soft /> },
    { key: 'kind', head: 'What', width: 'minmax(130px, 1fr)', cell: (d) => <What delivery={d} /> },
    { key: 'target', head: 'To', width: 'minmax(100px, 1fr)', cell: (d) => <span className="cut">{name(d.target)}</span>, from: 480 },
    { key: 'made', head: 'Made', width: '110px', cell: (d) => <TimeAgo at={d.created_at} />, from: 620 },
    { key: 'tries', head: 'Tries', width: '60px', align: 'right', cell: (d) => d.attempts, from: 760 },
    { key: 'error', head: 'Last error', width: 'minmax(160px, 2fr)', cell: (d) => <span className="cut" title={d.last_error?.message}>{d.last_error ? d.last_error.message : <span className="faint">none</span>}</span>, from: 860 },
    ...(may ? [{ key: 'again', head: <span className="sr">Try again</span>, width: '100px', cell: (d: Delivery) => <MaybeAgain delivery={d} /> }] : []),
  ];
  return (
    <Section title="Deliveries" actions={<Choice name="state" label="State" otherwise="Any state" options={Object.entries(states).map(([value, s]) => ({ value, label: s.word }))} />} flush>
      <Load query={query} lines={3}>
        {(data) => (
          <DataTable
            label="Deliveries"
            rows={data.pages.flatMap((p) => p.items)}
            rowKey={(d) => d.id}
            columns={columns}
            maxHeight={420}
            narrow={(d) => (
              <div className={classes.two}>
                <span className="row">
                  <HealthBadge status={d.state} word={states[d.state].word} tone={states[d.state].tone} soft />
                  <What delivery={d} />
                  <span className="grow" />
                  {may && <MaybeAgain delivery={d} />}
                </span>
                <span className={classes.below}>
                  <TimeAgo at={d.created_at} />
                  <span className="cut">{d.last_error ? d.last_error.message : `to ${name(d.target)}`}</span>
                </span>
              </div>
            )}
            narrowHeight={60}
            onEnd={() => readMore(query)}
            empty={<EmptyState title={url.state ? 'None is like this' : 'Nothing was sent yet'}>{url.state ? undefined : 'Alerts, tickets and walls that go out are logged here, with what the other side answered.'}</EmptyState>}
          />
        )}
      </Load>
    </Section>
  );
}

function What({ delivery: d }: { delivery: Delivery }) {
  const text = d.kind.replaceAll(/[._]/g, ' ');
  if (!d.incident_id) return <span className="cut">{text}</span>;
  return (
    <Link to="/health/incidents/$id" params={{ id: d.incident_id }} className="cut">
      {text}
    </Link>
  );
}

/** What was given up, or waits for its next attempt, can be tried at once. */
function MaybeAgain({ delivery: d }: { delivery: Delivery }) {
  return d.state === 'failed' || (d.state === 'waiting' && d.attempts > 0) ? <Again delivery={d} /> : null;
}

function Again({ delivery: d }: { delivery: Delivery }) {
  const retry = useChange(
    ['channels'],
    () => body(api.POST('/api/v1/deliveries/{delivery}/retry', { params: { path: { delivery: d.id } } })),
    'It is tried again now',
  );
  return (
    <Button variant="subtle" size="compact-xs" loading={retry.isPending} onClick={() => retry.mutate()}>
      Try again
    </Button>
  );
}

import { Button } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { useMay } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { Filters } from '../../ui/Filters';
import { Section } from '../../ui/PageFrame';
import { EmptyState, ErrorState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time } from '../../ui/Time';
import { plural, streamName } from '../../ui/format';
import { IconCheck, IconClose } from '../../ui/icons';
import { listOf, useUrl } from '../../ui/useUrl';
import { DriftDetails } from './DriftDetails';
import { ShapeDiff } from './ShapeDiff';
import classes from './Schema.module.css';
import { useConnection } from './context';
import { driftQuery, schemaHistoryQuery, schemaQuery } from './queries';
import { driftEntry, driftWords } from './timeline';

type Drift = Schemas['Drift'];
type DriftState = Drift['state'];

const policy = {
  allow_all: 'New streams and columns of the source come in by themselves.',
  allow_columns: 'New columns come in by themselves; new streams wait for approval.',
  block_all: 'Nothing new comes in without approval.',
};

export function Page() {
  const c = useConnection();
  return (
    <>
      <p className={classes.policy}>
        {policy[c.drift]} What the source no longer has stays in the destination and turns null.{' '}
        <Link to="/connections/$id/settings" params={{ id: c.id }}>
          Change the policy
        </Link>
      </p>
      <Pending />
      <Section title="Shapes now">
        <Shapes />
      </Section>
      <Section title="Changes of the schema">
        <History />
      </Section>
    </>
  );
}

/** What waits for a decision: it comes first, since syncs of these streams wait, too. */
function Pending() {
  const c = useConnection();
  const query = useInfiniteQuery(driftQuery(c.id, { state: 'pending' }));
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  const mayEdit = useMay('edit', c.id);
  if (items.length === 0) return null;
  return (
    <Section title="Waits for a decision" summary={plural(items.length, 'change')} actions={mayEdit && items.length > 1 ? <DecideAll items={items} /> : undefined}>
      <ul className={classes.list}>
        {items.map((d) => (
          <li key={d.id} className={classes.pending}>
            <div className={classes.line}>
              <HealthBadge status="pending" word={driftWords(d)} tone="action" />
              <span className="dim">
                seen <Time at={d.at} />
              </span>
              <span className="grow" />
              {mayEdit && <Decide drift={d} />}
            </div>
            <DriftDetails drift={d} />
          </li>
        ))}
      </ul>
      {query.hasNextPage && (
        <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Show more
        </Button>
      )}
    </Section>
  );
}

const decide = (drift: string, approve: boolean) =>
  approve ? body(api.POST('/api/v1/drift/{drift}/approve', { params: { path: { drift } } })) : body(api.POST('/api/v1/drift/{drift}/reject', { params: { path: { drift } } }));

function useDecided() {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: ['drift'] });
    void client.invalidateQueries({ queryKey: ['connections'] });
  };
}

function Decide({ drift }: { drift: Drift }) {
  const decided = useDecided();
  const go = useMutation({
    mutationFn: (approve: boolean) => decide(drift.id, approve),
    onSuccess: (d) => {
      notifications.show({ message: d.state === 'approved' ? `${driftWords(d)} comes in with the next sync.` : `${driftWords(d)} stays out.`, color: 'teal' });
      decided();
    },
  });
  return (
    <>
      <CopyAs call={{ method: 'POST', path: `/api/v1/drift/${drift.id}/approve` }} />
      {drift.state === 'pending' && (
        <Button variant="default" leftSection={<IconClose size={14} />} loading={go.isPending && !go.variables} onClick={() => go.mutate(false)}>
          Reject
        </Button>
      )}
      <Button leftSection={<IconCheck size={14} />} loading={go.isPending && go.variables} onClick={() => go.mutate(true)}>
        {drift.state === 'pending' ? 'Approve' : 'Approve after all'}
      </Button>
      {go.error && <ErrorState error={go.error} what="Nothing was decided" />}
    </>
  );
}

function DecideAll({ items }: { items: readonly Drift[] }) {
  const decided = useDecided();
  const go = useMutation({
    mutationFn: async (approve: boolean) => {
      for (const d of items) await decide(d.id, approve);
      return approve;
    },
    onSuccess: (approve) => notifications.show({ message: `${plural(items.length, 'change')} ${approve ? 'approved' : 'rejected'}.`, color: 'teal' }),
    onSettled: decided,
  });
  return (
    <>
      {go.error && <ErrorState error={go.error} what="Not all was decided" />}
      <Button variant="default" loading={go.isPending && !go.variables} onClick={() => go.mutate(false)}>
        Reject all
      </Button>
      <Button variant="default" loading={go.isPending && go.variables} onClick={() => go.mutate(true)}>
        Approve all
      </Button>
    </>
  );
}

/** Streams with their columns as the latest sync saw them. */
function Shapes() {
  const c = useConnection();
  const [url, set] = useUrl();
  const query = useQuery(schemaQuery(c.id));
  return (
    <Load query={query}>
      {(items) =>
        items.length === 0 ? (
          <EmptyState title="No shape is known yet">The first sync sees what the streams look like.</EmptyState>
        ) : (
          <ul className={classes.list}>
            {items.map((v) => {
              const name = streamName(v.stream);
              const open = url.shape === name;
              return (
                <li key={name} className={classes.shape}>
                  <button type="button" className={classes.toggle} aria-expanded={open} onClick={() => set({ shape: open ? undefined : name })}>
                    <b>{name}</b>
                    <span className="dim">{plural(v.shape.columns.length, 'column')}</span>
                    {v.shape.key && v.shape.key.length > 0 && <span className="dim">key {v.shape.key.join(', ')}</span>}
                    <span className="dim">
                      version {v.version} of <Time at={v.at} />
                    </span>
                  </button>
                  {open && <Versions stream={v.stream} current={v} />}
                </li>
              );
            })}
          </ul>
        )
      }
    </Load>
  );
}

/** The versions of a stream's shape, each against the one before. */
function Versions({ stream, current }: { stream: Schemas['StreamName']; current: Schemas['SchemaVersion'] }) {
  const c = useConnection();
  const query = useQuery(schemaHistoryQuery(c.id, stream));
  const [at, setAt] = useState(current.version);
  const versions = query.data ?? [current];
  const now = versions.find((v) => v.version === at) ?? current;
  const before = versions.find((v) => v.version === now.version - 1);
  return (
    <div className="stack">
      {versions.length > 1 && (
        <div className="row wrap" role="group" aria-label="Versions">
          {versions.map((v) => (
            <Button key={v.version} size="compact-xs" variant={v.version === now.version ? 'light' : 'default'} aria-pressed={v.version === now.version} onClick={() => setAt(v.version)}>
              {v.version}
            </Button>
          ))}
          <span className="dim">
            of <Time at={now.at} />
          </span>
        </div>
      )}
      {before ? <ShapeDiff before={before.shape} after={now.shape} all /> : <Columns shape={now.shape} />}
    </div>
  );
}

function Columns({ shape }: { shape: Schemas['Shape'] }) {
  return (
    <ul className={classes.columns}>
      {shape.columns.map((col) => (
        <li key={col.name}>
          <span>{col.name}</span>
          <code className="dim">
            {col.type}
            {col.nullable ? '' : ' not null'}
          </code>
        </li>
      ))}
    </ul>
  );
}

const states: { value: DriftState; label: string }[] = [
  { value: 'pending', label: 'Waits for a decision' },
  { value: 'applied', label: 'Came in by the policy' },
  { value: 'approved', label: 'Approved' },
  { value: 'rejected', label: 'Rejected' },
];

function History() {
  const c = useConnection();
  const [url, set] = useUrl();
  const state = listOf(url.drift)[0] as DriftState | undefined;
  const mayEdit = useMay('edit', c.id);
  const query = useInfiniteQuery(driftQuery(c.id, state ? { state } : {}));
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  return (
    <>
      <Filters filters={[{ name: 'drift', label: 'Decision', options: states }]} />
      <Load query={query}>
        {() =>
          items.length === 0 ? (
            <EmptyState title={state ? 'No change is like that' : 'The schema has not changed'}>{state ? 'Choose another decision.' : 'When the source’s streams or columns change, before and after appear here.'}</EmptyState>
          ) : (
            <ul className={classes.list}>
              {items.map((d) => {
                const e = driftEntry(d);
                const open = url.change === d.id;
                return (
                  <li key={d.id} className={classes.shape}>
                    <button type="button" className={classes.toggle} aria-expanded={open} onClick={() => set({ change: open ? undefined : d.id })}>
                      <HealthBadge status={d.state} word={e.what} tone={e.tone} />
                      <span className="dim">{e.more}</span>
                      <span className="dim">
                        <Time at={d.at} />
                      </span>
                    </button>
                    {open && <DriftDetails drift={d} />}
                    {open && mayEdit && d.state === 'rejected' && <Decide drift={d} />}
                  </li>
                );
              })}
            </ul>
          )
        }
      </Load>
      {query.hasNextPage && (
        <Button mt="sm" variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Show older
        </Button>
      )}
    </>
  );
}

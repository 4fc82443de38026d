import { Button, Modal } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { api, asApiError, body } from '../../api/client';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { ErrorCard } from '../../ui/ErrorCard';
import { Facts, PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, ErrorState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time, TimeAgo } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconRefresh, IconTrash } from '../../ui/icons';
import { useUrl } from '../../ui/useUrl';
import { EndpointFields } from './form/EndpointFields';
import { useEndpointForm } from './form/useEndpointForm';
import { copies } from './model/copies';
import { checkKept, deleteEndpoint, endpointQuery, endpointsQuery, freeName, kindsQuery, operationQuery, type Endpoint, type Kind, type Role } from './model/endpoints';
import { useSave } from './steps/useSave';
import classes from './EndpointPage.module.css';

const lists = { source: '/sources', destination: '/destinations' } as const;

/** A source or destination: whether it works, who uses it, and its settings to change. `new` makes one. */
export function EndpointPage({ side, id }: { side: Role; id: string }) {
  const [url] = useUrl();
  const kinds = useQuery(kindsQuery(side));
  const there = useQuery({ ...endpointsQuery(side), enabled: id === 'new' });
  const one = useQuery({ ...endpointQuery(side, id), enabled: id !== 'new' });
  const above = <Link to={lists[side]}>{side === 'source' ? 'Sources' : 'Destinations'}</Link>;
  const isNew = id === 'new';
  const name = one.data?.value.name;
  if (!kinds.data || (isNew ? !there.data : !one.data))
    return (
      <PageFrame title={isNew ? `New ${side}` : (name ?? 'Loading')} above={above}>
        {isNew ? <Load query={there}>{() => <Load query={kinds}>{() => null}</Load>}</Load> : <Load query={one}>{() => <Load query={kinds}>{() => null}</Load>}</Load>}
      </PageFrame>
    );
  const existing = isNew ? undefined : one.data?.value;
  const kind = kinds.data.find((k) => k.name === (existing?.connector ?? url.kind));
  if (!kind)
    return (
      <PageFrame title={existing?.name ?? `New ${side}`} above={above}>
        <EmptyState title="Its connector is not installed here">{existing?.connector ?? url.kind}</EmptyState>
      </PageFrame>
    );
  const fresh = freeName(side === 'source' ? kind.title : 'warehouse', (there.data ?? []).map((e) => e.name));
  return <Form key={existing?.updated_at ?? 'new'} side={side} kind={kind} existing={existing} name={fresh} above={above} />;
}

function Form({ side, kind, existing, name, above }: { side: Role; kind: Kind; existing?: Endpoint; name: string; above: React.ReactNode }) {
  const may = useMay('edit');
  const navigate = useNavigate();
  const form = useEndpointForm({ role: side, kind, existing, name, passive: !may });
  const { saving, save } = useSave(form);
  const [asked, setAsked] = useState(false);
  const at = (id: string) => (side === 'source' ? ({ to: '/sources/$id', params: { id } } as const) : ({ to: '/destinations/$id', params: { id } } as const));
  const submit = async () => {
    if (!form.complete()) return;
    const saved = await save();
    if (!saved) return;
    notifications.show({ message: existing ? 'The settings were saved.' : `The ${side} was made.`, color: 'teal', autoClose: 2500 });
    void checkKept(side, saved.id).catch(() => undefined);
    if (!existing) await navigate({ ...at(saved.id), replace: true });
  };
  const changed = asApiError(form.saveError).status === 412;
  return (
    <PageFrame
      title={existing?.name ?? `New ${side}: ${kind.title}`}
      above={above}
      summary={existing && <HealthBadge status={existing.setup_state} />}
      actions={
        existing && (
          <>
            <Button variant="default" component={Link} to={`/catalogue/${side}s/${kind.name}`}>
              Reference
            </Button>
            {may && <CheckNow side={side} id={existing.id} />}
            {may && (
              <Button variant="default" leftSection={<IconTrash size={14} />} onClick={() => setAsked(true)}>
                Delete
              </Button>
            )}
          </>
        )
      }
    >
      {existing?.problem && existing.setup_state === 'broken' && <ErrorCard failure={existing.problem} />}
      {existing && <About side={side} endpoint={existing} kind={kind} />}
      <Section title="Settings" summary={may ? undefined : 'You may look at these, not change them'} actions={<CopyAs {...copies(side, form)} />}>
        <form
          noValidate
          className={classes.form}
          onSubmit={(e) => {
            e.preventDefault();
            if (may && !saving) void submit();
          }}
        >
          {changed && (
            <ErrorState error={form.saveError} what="Somebody has changed it in the meantime" onRetry={() => location.reload()} />
          )}
          <EndpointFields form={form} disabled={!may} />
          {may && (
            <div className="row">
              <Button type="submit" loading={saving} disabled={!form.dirty}>
                {existing ? 'Save' : `Make the ${side}`}
              </Button>
              {existing && form.dirty && form.check.phase !== 'passed' && <span className="dim">You may save it as it is; connections that use it then run with it.</span>}
            </div>
          )}
        </form>
      </Section>
      {existing && asked && <Delete side={side} endpoint={existing} onClose={() => setAsked(false)} />}
    </PageFrame>
  );
}

function About({ side, endpoint, kind }: { side: Role; endpoint: Endpoint; kind: Kind }) {
  const query = side === 'source' ? { source_id: endpoint.id, limit: 100 } : { destination_id: endpoint.id, limit: 100 };
  const used = useQuery({ queryKey: keys.list('connections', { of: endpoint.id }), queryFn: ({ signal }) => body(api.GET('/api/v1/connections', { params: { query }, signal })) });
  const items = used.data?.items ?? [];
  const labels = Object.entries(endpoint.labels ?? {});
  return (
    <>
      <Facts
        items={[
          ['Kind', `${kind.title} ${kind.version.split('-')[0] ?? ''}`],
          ['Last checked', <TimeAgo key="c" at={endpoint.checked_at} otherwise="never" />],
          ['Made', <Time key="m" at={endpoint.created_at} />],
          ['Team', endpoint.team || '–'],
          ['Region', endpoint.region || 'any'],
          ...(labels.length > 0 ? ([['Labels', labels.map(([k, v]) => `${k}: ${v}`).join(', ')]] as const) : []),
        ]}
      />
      <Section title="Used by" summary={used.data ? `${plural(items.length, 'connection')}${used.data.next ? ' and more' : ''}` : undefined}>
        {used.error ? <ErrorState error={used.error} onRetry={() => void used.refetch()} /> : null}
        {used.data && items.length === 0 && (
          <p className="dim">
            No connection uses it. <Link to="/setup" search={side === 'source' ? { step: 'discover', source: endpoint.id } : {}}>Set one up</Link>
          </p>
        )}
        <ul className={classes.used}>
          {items.map((c) => (
            <li key={c.id}>
              <Link to="/connections/$id" params={{ id: c.id }}>
                {c.name}
              </Link>
            </li>
          ))}
        </ul>
      </Section>
    </>
  );
}

function CheckNow({ side, id }: { side: Role; id: string }) {
  const client = useQueryClient();
  const [operation, setOperation] = useState('');
  const start = useMutation({ mutationFn: () => checkKept(side, id), onSuccess: (o) => setOperation(o.id), onError: (e) => notifications.show({ message: e.message, color: 'red' }) });
  const o = useQuery(operationQuery(operation));
  const state = o.data?.state;
  useEffect(() => {
    if (!state || state === 'running') return;
    void client.invalidateQueries({ queryKey: [`${side}s`] });
    notifications.show(state === 'succeeded' ? { message: 'The check passed.', color: 'teal', autoClose: 2500 } : { message: 'The check failed: see why.', color: 'red' });
  }, [state, client, side]);
  return (
    <Button variant="default" leftSection={<IconRefresh size={14} />} loading={start.isPending || (operation !== '' && (!state || state === 'running'))} onClick={() => start.mutate()}>
      Check now
    </Button>
  );
}

function Delete({ side, endpoint, onClose }: { side: Role; endpoint: Endpoint; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => deleteEndpoint(side, endpoint.id),
    onSuccess: async () => {
      await navigate({ to: lists[side] });
      await client.invalidateQueries({ queryKey: [`${side}s`] });
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Delete ${endpoint.name}?`}>
      <div className="stack">
        <p>
          {side === 'source' ? 'Its settings and secrets are forgotten. Nothing in the system that it reads is touched.' : 'Its settings and secrets are forgotten. The tables that were written stay where they are.'} A {side} that a connection uses cannot be deleted.
        </p>
        {remove.error && <ErrorState error={remove.error} what="It was not deleted" />}
        <div className={classes.end}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
            Delete
          </Button>
        </div>
      </div>
    </Modal>
  );
}

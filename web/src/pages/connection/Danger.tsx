import { Button, Modal, MultiSelect, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { api, body } from '../../api/client';
import { keys } from '../../api/keys';
import { ConfirmPlan } from '../../ui/ConfirmPlan';
import { CopyAs } from '../../ui/CopyAs';
import { Section } from '../../ui/PageFrame';
import { ErrorState, sentence } from '../../ui/States';
import { streamName } from '../../ui/format';
import classes from './Settings.module.css';
import { useConnection } from './context';
import { statesQuery, taggedQuery } from './queries';

/** What rewrites or destroys data: each is shown as a plan first, and wants the name typed. */
export function Danger() {
  const c = useConnection();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [open, setOpen] = useState<'resync' | 'delete' | 'forget'>();
  const [streams, setStreams] = useState<string[]>([]);
  const known = useQuery(statesQuery(c.id)).data ?? [];
  const close = () => setOpen(undefined);
  const done = (message: string) => {
    notifications.show({ message: sentence(message), color: 'teal' });
    void client.invalidateQueries({ queryKey: keys.one('connections', c.id) });
    void client.invalidateQueries({ queryKey: ['fleet'] });
  };
  const resync = streams.length > 0 ? { streams } : {};
  return (
    <Section title="Danger zone">
      <div className={classes.dangers}>
        <Row
          title="Re-sync"
          text="Reads streams anew from the start and rewrites their tables. You see what will be read and rewritten before anything is done."
          extra={<MultiSelect aria-label="Streams to re-sync" placeholder={streams.length > 0 ? undefined : 'all streams'} data={known.map((s) => streamName(s.stream))} value={streams} onChange={setStreams} searchable clearable clearButtonProps={{ 'aria-label': 'All streams' }} className={classes.field} />}
        >
          <CopyAs call={{ method: 'POST', path: `/api/v1/connections/${c.id}/resync`, body: resync }} />
          <Button variant="outline" color="red" onClick={() => setOpen('resync')}>
            Plan a re-sync…
          </Button>
        </Row>
        <Row title="Delete, keep the tables" text="Removes the connection with its schedule, state and history. What it has loaded stays in the destination.">
          <CopyAs call={{ method: 'DELETE', path: `/api/v1/connections/${c.id}` }} />
          <Button variant="outline" color="red" onClick={() => setOpen('forget')}>
            Delete…
          </Button>
        </Row>
        <Row title="Delete with the tables" text="Removes the connection and drops its tables in the destination. You see which ones before anything is done.">
          <CopyAs call={{ method: 'POST', path: `/api/v1/connections/${c.id}/delete` }} />
          <Button variant="outline" color="red" onClick={() => setOpen('delete')}>
            Plan to delete…
          </Button>
        </Row>
      </div>
      <ConfirmPlan
        title={`Re-sync ${c.name}`}
        opened={open === 'resync'}
        onClose={close}
        plan={() => body(api.POST('/api/v1/connections/{connection}/resync', { params: { path: { connection: c.id } }, body: resync }))}
        word={c.name}
        action="Re-sync"
        onDone={(d) => {
          done(d.message);
          void navigate({ to: '/connections/$id/timeline', params: { id: c.id } });
        }}
      />
      <ConfirmPlan
        title={`Delete ${c.name} with its tables`}
        opened={open === 'delete'}
        onClose={close}
        plan={() => body(api.POST('/api/v1/connections/{connection}/delete', { params: { path: { connection: c.id } } }))}
        word={c.name}
        action="Delete it and its tables"
        onDone={(d) => {
          done(d.message);
          void navigate({ to: '/connections' });
        }}
      />
      <Modal opened={open === 'forget'} onClose={close} title={`Delete ${c.name}, keep its tables`}>
        <Forget onClose={close} />
      </Modal>
    </Section>
  );
}

function Row({ title, text, extra, children }: { title: string; text: string; extra?: ReactNode; children: ReactNode }) {
  return (
    <div className={classes.danger}>
      <div className="grow">
        <h3>{title}</h3>
        <p className="dim">{text}</p>
        {extra}
      </div>
      <div className="row">{children}</div>
    </div>
  );
}

function Forget({ onClose }: { onClose: () => void }) {
  const c = useConnection();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [typed, setTyped] = useState('');
  const tagged = useQuery(taggedQuery(c.id));
  const remove = useMutation({
    mutationFn: () => body(api.DELETE('/api/v1/connections/{connection}', { params: { path: { connection: c.id }, header: { 'If-Match': tagged.data!.etag } } })),
    onSuccess: () => {
      notifications.show({ message: `${c.name} was deleted; its tables stay in ${c.destination_name}.`, color: 'teal' });
      void client.invalidateQueries({ queryKey: ['fleet'] });
      void navigate({ to: '/connections' });
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        if (typed === c.name && tagged.data) remove.mutate();
      }}
    >
      <p>
        Its schedule, state, syncs and logs are gone for good. The tables of schema <code>{c.schema}</code> stay in {c.destination_name}, and nobody writes to them any more.
      </p>
      <TextInput label={<>Type {<b>{c.name}</b>} to confirm</>} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} autoComplete="off" spellCheck={false} data-autofocus />
      {remove.error && <ErrorState error={remove.error} what="It was not deleted" />}
      <div className={classes.actions}>
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button type="submit" color="red" disabled={typed !== c.name || !tagged.data} loading={remove.isPending}>
          Delete the connection
        </Button>
      </div>
    </form>
  );
}

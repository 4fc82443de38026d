import { Button, PasswordInput, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, asApiError, body } from '../../api/client';
import { keys } from '../../api/keys';
import { meQuery, useMe } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { Facts, PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, ErrorState, Load, sentence } from '../../ui/States';
import { Time, TimeAgo } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconPlus } from '../../ui/icons';
import { NewToken } from '../people/NewToken';
import { TokenTable } from '../people/TokenTable';
import { roles, roleWord, tokensQuery } from '../people/api';
import classes from '../people/people.module.css';
import { fieldMessages } from '../setup/model/schema';

/** One's own account: name, password, where one is signed in, tokens. */
export function Page() {
  const me = useMe();
  const grants = Object.entries(me.grants ?? {});
  return (
    <PageFrame title="Your account" summary={me.user?.email ?? me.name}>
      <Facts
        items={[
          ['Role', `${roleWord(me.role)}. ${roles.find((r) => r.value === me.role)?.means ?? ''}`],
          ['E-mail', me.user?.email ?? '–'],
          ['Signs in by', me.user?.issuer ? 'single sign-on' : 'password'],
          ...(grants.length > 0 ? ([['Further roles', `on ${plural(grants.length, 'connection')}`]] as const) : []),
        ]}
      />
      <Section title="Name">
        <Name />
      </Section>
      {me.user?.has_password && (
        <Section title="Password">
          <Password />
        </Section>
      )}
      <Sessions />
      <Tokens />
    </PageFrame>
  );
}

function Name() {
  const me = useMe();
  const client = useQueryClient();
  const [name, setName] = useState(me.user?.name ?? '');
  const save = useMutation({
    mutationFn: () => body(api.PATCH('/api/v1/auth/me', { body: { name: name.trim() } })),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: meQuery.queryKey });
      notifications.show({ message: 'Your name was changed.', color: 'teal', autoClose: 2000 });
    },
  });
  return (
    <form
      className="row wrap"
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      <TextInput aria-label="Name" size="sm" value={name} onChange={(e) => setName(e.currentTarget.value)} autoComplete="name" style={{ width: 300 }} maxLength={200} />
      <Button type="submit" variant="default" loading={save.isPending} disabled={name.trim() === (me.user?.name ?? '')}>
        Save
      </Button>
      <CopyAs call={{ method: 'PATCH', path: '/api/v1/auth/me', body: { name: name.trim() } }} />
      {save.error && <ErrorState error={save.error} what="It was not changed" />}
    </form>
  );
}

const shortest = 12;

function Password() {
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const change = useMutation({
    mutationFn: () => api.POST('/api/v1/auth/password', { body: { old, new: next } }),
    onSuccess: () => {
      setOld('');
      setNext('');
      notifications.show({ message: 'Your password was changed; your other sessions have ended.', color: 'teal', autoClose: 4000 });
    },
  });
  const faults = fieldMessages(change.error ? asApiError(change.error).fields : []);
  const left = shortest - next.length;
  return (
    <form
      className={classes.form}
      onSubmit={(e) => {
        e.preventDefault();
        change.mutate();
      }}
    >
      <PasswordInput label="The one until now" size="sm" autoComplete="current-password" value={old} error={faults.old && sentence(faults.old)} onChange={(e) => setOld(e.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': 'Show the password until now' }} />
      <PasswordInput
        label="The new one"
        size="sm"
        autoComplete="new-password"
        value={next}
        error={faults.new && sentence(faults.new)}
        description={next && left > 0 ? `${plural(left, 'more character')}` : `At least ${shortest} characters; a few words are good.`}
        inputWrapperOrder={['label', 'input', 'error', 'description']}
        onChange={(e) => setNext(e.currentTarget.value)}
        visibilityToggleButtonProps={{ 'aria-label': 'Show the new password' }}
      />
      {change.error && Object.keys(faults).length === 0 && <ErrorState error={change.error} what="The password was not changed" />}
      <div>
        <Button type="submit" variant="default" loading={change.isPending} disabled={old === '' || next.length < shortest}>
          Change the password
        </Button>
      </div>
    </form>
  );
}

/** What a browser says of itself, in short. */
function browser(agent: string): string {
  const name = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(agent)?.[1];
  const system = /(Windows|Mac OS X|Android|iPhone|iPad|Linux)/.exec(agent)?.[1];
  const words = { Edg: 'Edge', OPR: 'Opera' }[name ?? ''] ?? name;
  return [words, system?.replace('Mac OS X', 'macOS')].filter(Boolean).join(' on ') || agent || 'unknown';
}

function Sessions() {
  const client = useQueryClient();
  const sessions = useQuery({ queryKey: keys.list('sessions'), queryFn: ({ signal }) => body(api.GET('/api/v1/auth/sessions', { signal })) });
  const end = useMutation({ mutationFn: () => api.DELETE('/api/v1/auth/sessions'), onSuccess: () => client.invalidateQueries({ queryKey: ['sessions'] }) });
  const others = (sessions.data?.items.length ?? 0) - 1;
  return (
    <Section
      title="Where you are signed in"
      summary={sessions.data ? plural(sessions.data.items.length, 'session') : undefined}
      actions={
        others > 0 && (
          <Button variant="default" loading={end.isPending} onClick={() => end.mutate()}>
            End the {others === 1 ? 'other' : `other ${others}`}
          </Button>
        )
      }
      flush
    >
      {end.error && <ErrorState error={end.error} what="They were not ended" />}
      <Load query={sessions} lines={2}>
        {(s) => (
          <div className={classes.frame} role="region" aria-label="Sessions" tabIndex={0}>
            <table className={classes.table}>
              <thead>
                <tr>
                  <th scope="col">Browser</th>
                  <th scope="col">From</th>
                  <th scope="col">Since</th>
                  <th scope="col">Last used</th>
                  <th scope="col">Ends</th>
                </tr>
              </thead>
              <tbody>
                {s.items.map((x, i) => (
                  <tr key={i}>
                    <td title={x.user_agent}>
                      {browser(x.user_agent)} {x.current && <b>this one</b>}
                    </td>
                    <td>
                      <code>{x.ip}</code>
                    </td>
                    <td>
                      <Time at={x.created_at} />
                    </td>
                    <td>
                      <TimeAgo at={x.seen_at} />
                    </td>
                    <td>
                      <Time at={x.expires_at} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Load>
    </Section>
  );
}

function Tokens() {
  const tokens = useQuery(tokensQuery({}));
  const [making, setMaking] = useState(false);
  return (
    <Section
      title="Your API tokens"
      summary="for programs that act in your name"
      actions={
        <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setMaking(true)}>
          New token
        </Button>
      }
      flush
    >
      <Load query={tokens} lines={2}>{(list) => (list.length === 0 ? <EmptyState title="No tokens yet" /> : <TokenTable tokens={list} />)}</Load>
      {making && <NewToken onClose={() => setMaking(false)} />}
    </Section>
  );
}

import { Button, Modal, Select, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { useMay, useMe } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { Facts, PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, ErrorState, Load } from '../../ui/States';
import { Time, TimeAgo } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconKey } from '../../ui/icons';
import { OnceShown } from './OnceShown';
import { TokenTable } from './TokenTable';
import { passwordLink, RoleSelect, State } from './Users';
import { grantsQuery, namesQuery, roleWord, tokensQuery, userQuery, type Role } from './api';
import classes from './people.module.css';

export function Page() {
  const { id } = useParams({ from: '/shell/people/users/$id' });
  const may = useMay('manage');
  const user = useQuery({ ...userQuery(id), enabled: may });
  if (!may) return <EmptyState title="Accounts are for admins to see" />;
  return <Load query={user}>{(u) => <Account key={u.updated_at} user={u} />}</Load>;
}

/** One account: role, state, way to sign in, roles on single connections, tokens. */
function Account({ user }: { user: Schemas['User'] }) {
  const me = useMe();
  const client = useQueryClient();
  const [link, setLink] = useState<Schemas['Link']>();
  const [asked, setAsked] = useState(false);
  const self = me.user?.id === user.id;
  const above = user.role === 'owner' && me.role !== 'owner';
  const change = useMutation({
    mutationFn: (patch: Partial<Schemas['UserPatch']>) => body(api.PATCH('/api/v1/users/{user}', { params: { path: { user: user.id } }, body: patch })),
    onSuccess: (u) => {
      client.setQueryData(userQuery(user.id).queryKey, u);
      void client.invalidateQueries({ queryKey: ['users', 'list'] });
      notifications.show({ message: 'It was changed.', color: 'teal', autoClose: 2000 });
    },
  });
  const makeLink = useMutation({ mutationFn: () => body(api.POST('/api/v1/users/{user}/password-link', { params: { path: { user: user.id } } })), onSuccess: setLink });
  const error = change.error ?? makeLink.error;
  return (
    <PageFrame
      title={user.name || user.email}
      above={<Link to="/people/users">Users</Link>}
      summary={<State user={user} />}
      actions={
        !above && (
          <>
            <Button variant="default" leftSection={<IconKey size={14} />} loading={makeLink.isPending} onClick={() => makeLink.mutate()} disabled={user.disabled}>
              Password link
            </Button>
            {!self && (
              <Button variant="default" onClick={() => (user.disabled ? change.mutate({ disabled: false }) : setAsked(true))} loading={change.isPending}>
                {user.disabled ? 'Let in again' : 'Lock out'}
              </Button>
            )}
          </>
        )
      }
    >
      {error && <ErrorState error={error} what="It was not done" />}
      <Facts
        items={[
          ['E-mail', user.email],
          ['Signs in by', user.issuer ? `single sign-on (${user.issuer})` : user.has_password ? 'password' : 'nothing yet: send a password link'],
          ['Last signed in', <TimeAgo key="l" at={user.last_login_at} otherwise="never" />],
          ['Account made', <Time key="m" at={user.created_at} />],
        ]}
      />
      <Section title="Name and role">
        <Basics user={user} busy={change.isPending} onSave={(patch) => change.mutate(patch)} disabled={above} self={self} upTo={me.role} />
      </Section>
      <Grants user={user} />
      <Tokens user={user} />
      {link && (
        <OnceShown title="A link to set a password" label="Link" text={passwordLink(link.secret)} until={link.expires_at} onClose={() => setLink(undefined)}>
          With it {user.name || user.email} sets a new password. Links made before no longer work. It is shown this once.
        </OnceShown>
      )}
      {asked && (
        <Modal opened onClose={() => setAsked(false)} title={`Lock ${user.name || user.email} out?`}>
          <div className="stack">
            <p>Their sessions end and their tokens are revoked, at once. Tokens stay revoked when you let them in again.</p>
            <div className={classes.end}>
              <Button variant="default" onClick={() => setAsked(false)} data-autofocus>
                Cancel
              </Button>
              <Button
                color="red"
                onClick={() => {
                  setAsked(false);
                  change.mutate({ disabled: true });
                }}
              >
                Lock out
              </Button>
            </div>
          </div>
        </Modal>
      )}
    </PageFrame>
  );
}

function Basics({ user, busy, onSave, disabled, self, upTo }: { user: Schemas['User']; busy: boolean; onSave: (p: Partial<Schemas['UserPatch']>) => void; disabled: boolean; self: boolean; upTo: Role }) {
  const [name, setName] = useState(user.name);
  const [role, setRole] = useState<Role>(user.role);
  const patch = { ...(name.trim() !== user.name ? { name: name.trim() } : {}), ...(role !== user.role ? { role } : {}) };
  if (disabled) return <p className="dim">{roleWord(user.role)}. Only owners change owners.</p>;
  return (
    <form
      className={classes.form}
      onSubmit={(e) => {
        e.preventDefault();
        onSave(patch);
      }}
    >
      <TextInput label="Name" size="sm" value={name} onChange={(e) => setName(e.currentTarget.value)} />
      <RoleSelect value={role} onChange={setRole} upTo={upTo} disabled={self} />
      {self && <p className="dim">Nobody changes their own role.</p>}
      <div className="row">
        <Button type="submit" loading={busy} disabled={Object.keys(patch).length === 0}>
          Save
        </Button>
        <CopyAs call={{ method: 'PATCH', path: `/api/v1/users/${user.id}`, body: patch }} />
      </div>
    </form>
  );
}

const grantable: Role[] = ['viewer', 'operator', 'admin'];

/** Roles on single connections, on top of the role everywhere. */
function Grants({ user }: { user: Schemas['User'] }) {
  const client = useQueryClient();
  const grants = useQuery(grantsQuery(user.id));
  const names = useQuery(namesQuery);
  const [connection, setConnection] = useState<string | null>(null);
  const [role, setRole] = useState<Role>('operator');
  const refresh = () => client.invalidateQueries({ queryKey: ['grants'] });
  const give = useMutation({
    mutationFn: (id: string) => body(api.PUT('/api/v1/users/{user}/grants/{connection}', { params: { path: { user: user.id, connection: id } }, body: { role: role as Schemas['GrantRole']['role'] } })),
    onSuccess: async () => {
      setConnection(null);
      await refresh();
    },
  });
  const take = useMutation({ mutationFn: (id: string) => api.DELETE('/api/v1/users/{user}/grants/{connection}', { params: { path: { user: user.id, connection: id } } }), onSuccess: refresh });
  const options = [...(names.data ?? [])].map(([value, label]) => ({ value, label }));
  return (
    <Section title="Roles on single connections" summary={grants.data ? plural(grants.data.length, 'grant') : undefined}>
      <div className="stack">
        <p className="dim">A grant adds to the role that {user.name || user.email} has everywhere ({roleWord(user.role).toLowerCase()}); it takes nothing away.</p>
        {(give.error ?? take.error) && <ErrorState error={give.error ?? take.error} what="It was not done" />}
        <Load query={grants} lines={1}>
          {(list) =>
            list.length === 0 ? null : (
              <div className={classes.frame}>
                <table className={classes.table}>
                  <thead>
                    <tr>
                      <th scope="col">Connection</th>
                      <th scope="col">Role</th>
                      <th scope="col">Since</th>
                      <th scope="col">
                        <span className="sr">Actions</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {list.map((g) => (
                      <tr key={g.connection_id}>
                        <td>
                          <Link to="/connections/$id" params={{ id: g.connection_id }}>
                            {names.data?.get(g.connection_id) ?? g.connection_id}
                          </Link>
                        </td>
                        <td>{roleWord(g.role)}</td>
                        <td>
                          <Time at={g.created_at} />
                        </td>
                        <td>
                          <Button variant="subtle" color="gray" size="compact-sm" onClick={() => take.mutate(g.connection_id)} loading={take.isPending && take.variables === g.connection_id}>
                            Take back
                          </Button>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )
          }
        </Load>
        <form
          className="row wrap"
          onSubmit={(e) => {
            e.preventDefault();
            if (connection) give.mutate(connection);
          }}
        >
          <Select aria-label="Connection" placeholder="Connection" searchable data={options} limit={50} value={connection} onChange={setConnection} style={{ width: 260 }} nothingFoundMessage="No connection is called so" />
          <Select aria-label="Role on the connection" data={grantable.map((r) => ({ value: r, label: roleWord(r) }))} allowDeselect={false} value={role} onChange={(v) => v && setRole(v)} style={{ width: 130 }} />
          <Button type="submit" variant="default" disabled={!connection} loading={give.isPending}>
            Give
          </Button>
          {connection && <CopyAs call={{ method: 'PUT', path: `/api/v1/users/${user.id}/grants/${connection}`, body: { role } }} />}
        </form>
      </div>
    </Section>
  );
}

function Tokens({ user }: { user: Schemas['User'] }) {
  const tokens = useQuery(tokensQuery({ user_id: user.id, all: true }));
  const navigate = useNavigate();
  return (
    <Section title="API tokens" actions={<Button variant="subtle" onClick={() => void navigate({ to: '/people/tokens' })}>All tokens</Button>} flush>
      <Load query={tokens} lines={1}>
        {(list) => (list.length === 0 ? <p className="dim">None.</p> : <TokenTable tokens={list} />)}
      </Load>
    </Section>
  );
}

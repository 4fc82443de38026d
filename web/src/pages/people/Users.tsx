import { Button, Modal, Select, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, asApiError, body, type Schemas } from '../../api/client';
import { useMay, useMe } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { EmptyState, ErrorState, Load, sentence } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { IconPlus } from '../../ui/icons';
import { listOf, useUrl } from '../../ui/useUrl';
import { fieldMessages } from '../setup/model/schema';
import { OnceShown } from './OnceShown';
import { roles, rolesUpTo, roleWord, usersQuery, type Role } from './api';
import classes from './people.module.css';

type User = Schemas['User'];

export function Page() {
  const may = useMay('manage');
  if (!may) return <EmptyState title="Who has an account is for admins to see">Your own sessions, password and tokens are on <Link to="/account">your account’s page</Link>.</EmptyState>;
  return <Users />;
}

/** Everyone with an account, what they may do, and when they were last here. */
function Users() {
  const [url] = useUrl();
  const navigate = useNavigate();
  const users = useQuery(usersQuery);
  const [inviting, setInviting] = useState(false);
  const q = (url.q ?? '').toLowerCase();
  const wanted = listOf(url.role);
  const states = listOf(url.state);
  const shown = (users.data ?? []).filter((u) => (u.name + u.email).toLowerCase().includes(q) && (wanted.length === 0 || wanted.includes(u.role)) && (states.length === 0 || states.includes(stateOf(u))));
  const columns: Column<User>[] = [
    {
      key: 'who',
      head: 'Who',
      width: 'minmax(200px, 2fr)',
      cell: (u) => (
        <Link to="/people/users/$id" params={{ id: u.id }}>
          {u.name || u.email} {u.name && <span className="dim">{u.email}</span>}
        </Link>
      ),
    },
    { key: 'role', head: 'Role', width: '110px', cell: (u) => roleWord(u.role) },
    { key: 'state', head: 'State', width: '140px', cell: (u) => <State user={u} /> },
    { key: 'by', head: 'Signs in by', width: 'minmax(120px, 1fr)', cell: (u) => (u.issuer ? 'single sign-on' : u.has_password ? 'password' : 'nothing yet'), from: 760 },
    { key: 'seen', head: 'Last signed in', width: '130px', align: 'right', cell: (u) => <TimeAgo at={u.last_login_at} otherwise="never" />, from: 620 },
  ];
  return (
    <>
      <div style={{ paddingTop: 12 }}>
        <Filters
          search={{ label: 'Search people' }}
          filters={[
            { name: 'role', label: 'Role', options: roles },
            { name: 'state', label: 'State', options: [{ value: 'active', label: 'Active' }, { value: 'invited', label: 'Invited' }, { value: 'disabled', label: 'Locked out' }] },
          ]}
        >
          <Button ml="auto" leftSection={<IconPlus size={14} />} onClick={() => setInviting(true)}>
            Invite
          </Button>
        </Filters>
      </div>
      <Load query={users}>
        {() => (
          <DataTable
            label="Users"
            rows={shown}
            rowKey={(u) => u.id}
            columns={columns}
            maxHeight="calc(100vh - 220px)"
            onOpen={(u) => void navigate({ to: '/people/users/$id', params: { id: u.id } })}
            narrow={(u) => (
              <div className={classes.narrow}>
                <span className="grow cut">
                  <Link to="/people/users/$id" params={{ id: u.id }}>
                    {u.name || u.email}
                  </Link>
                  <br />
                  <span className="dim">{roleWord(u.role)}</span>
                </span>
                <State user={u} />
              </div>
            )}
            empty={<EmptyState title="Nobody is like this">Take back a filter to see more.</EmptyState>}
          />
        )}
      </Load>
      {inviting && <Invite onClose={() => setInviting(false)} />}
    </>
  );
}

const stateOf = (u: User): string => (u.disabled ? 'disabled' : u.has_password || u.issuer ? 'active' : 'invited');

export function State({ user }: { user: User }) {
  const state = stateOf(user);
  return <HealthBadge status={state} tone={state === 'active' ? 'healthy' : state === 'invited' ? 'waiting' : 'paused'} word={{ active: 'Active', invited: 'Invited', disabled: 'Locked out' }[state]} />;
}

/** The address of a one-time link; the secret is in the fragment, which no server sees. */
export const passwordLink = (secret: string): string => `${location.origin}/password#${encodeURIComponent(secret)}`;

function Invite({ onClose }: { onClose: () => void }) {
  const me = useMe();
  const client = useQueryClient();
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const spec = { email: email.trim(), role, ...(name.trim() ? { name: name.trim() } : {}) };
  const invite = useMutation({
    mutationFn: async () => {
      const user = await body(api.POST('/api/v1/users', { body: spec }));
      const link = await body(api.POST('/api/v1/users/{user}/password-link', { params: { path: { user: user.id } } }));
      return { user, link };
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['users'] }),
  });
  if (invite.data)
    return (
      <OnceShown title={`${invite.data.user.email} was invited`} label="Link" text={passwordLink(invite.data.link.secret)} until={invite.data.link.expires_at} onClose={onClose}>
        Send them this link: with it they set their password and sign in. It works once, and is shown this once.
      </OnceShown>
    );
  const faults = fieldMessages(invite.error ? asApiError(invite.error).fields : []);
  return (
    <Modal opened onClose={onClose} title="Invite someone">
      <form
        className="stack"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          if (email.trim()) invite.mutate();
        }}
      >
        <TextInput label="E-mail" type="email" size="sm" withAsterisk required data-autofocus value={email} error={faults.email && sentence(faults.email)} onChange={(e) => setEmail(e.currentTarget.value)} autoComplete="off" />
        <TextInput label="Name" size="sm" value={name} onChange={(e) => setName(e.currentTarget.value)} autoComplete="off" />
        <RoleSelect value={role} onChange={setRole} upTo={me.role} />
        {invite.error && !faults.email && <ErrorState error={invite.error} what="They were not invited" />}
        <div className={classes.end}>
          <CopyAs call={{ method: 'POST', path: '/api/v1/users', body: spec }} />
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={invite.isPending} disabled={!email.trim()}>
            Invite
          </Button>
        </div>
      </form>
    </Modal>
  );
}

export function RoleSelect({ value, onChange, upTo, disabled, label = 'Role' }: { value: Role; onChange: (r: Role) => void; upTo: Role; disabled?: boolean; label?: string }) {
  return (
    <Select
      label={label}
      size="sm"
      allowDeselect={false}
      disabled={disabled}
      value={value}
      data={rolesUpTo(upTo).map(({ value: v, label: l }) => ({ value: v, label: l }))}
      onChange={(v) => v && onChange(v)}
      description={roles.find((r) => r.value === value)?.means}
      inputWrapperOrder={['label', 'input', 'error', 'description']}
    />
  );
}

import { Button, Modal, MultiSelect, Select, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, asApiError, body } from '../../api/client';
import { useMe } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { ErrorState, sentence } from '../../ui/States';
import { fieldMessages } from '../setup/model/schema';
import { OnceShown } from './OnceShown';
import { RoleSelect } from './Users';
import { namesQuery, type Role } from './api';
import classes from './people.module.css';

/** Makes a token of one's own; its text is shown this once. */
export function NewToken({ onClose }: { onClose: () => void }) {
  const me = useMe();
  const client = useQueryClient();
  const names = useQuery(namesQuery);
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>(me.role === 'viewer' ? 'viewer' : 'operator');
  const [days, setDays] = useState('90');
  const [connections, setConnections] = useState<string[]>([]);
  const spec = { name: name.trim(), role, expires_in_days: Number(days), ...(connections.length > 0 ? { connections } : {}) };
  const make = useMutation({
    mutationFn: () => body(api.POST('/api/v1/tokens', { body: spec })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['tokens'] }),
  });
  if (make.data)
    return (
      <OnceShown title={`The token ${make.data.name}`} label="Token" text={make.data.text} until={make.data.expires_at} onClose={onClose}>
        Give it to the program that needs it. It is shown this once: Sluice keeps only what it takes to recognise it.
      </OnceShown>
    );
  const faults = fieldMessages(make.error ? asApiError(make.error).fields : []);
  return (
    <Modal opened onClose={onClose} title="New API token">
      <form
        className="stack"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          if (name.trim()) make.mutate();
        }}
      >
        <TextInput label="What it is for" placeholder="such as nightly job" size="sm" withAsterisk required data-autofocus value={name} error={faults.name && sentence(faults.name)} onChange={(e) => setName(e.currentTarget.value)} autoComplete="off" maxLength={200} />
        <RoleSelect value={role} onChange={setRole} upTo={me.role} />
        <MultiSelect label="Connections" description="None: it is for all of them." size="sm" searchable clearable limit={50} data={[...(names.data ?? [])].map(([value, label]) => ({ value, label }))} value={connections} onChange={setConnections} clearButtonProps={{ 'aria-label': 'Clear connections' }} />
        <Select
          label="How long it lasts"
          size="sm"
          allowDeselect={false}
          value={days}
          onChange={(v) => v && setDays(v)}
          data={[
            { value: '7', label: '7 days' },
            { value: '30', label: '30 days' },
            { value: '90', label: '90 days' },
            { value: '365', label: 'A year' },
            { value: '0', label: 'Until it is revoked' },
          ]}
        />
        {make.error && !faults.name && <ErrorState error={make.error} what="The token was not made" />}
        <div className={classes.end}>
          <CopyAs call={{ method: 'POST', path: '/api/v1/tokens', body: spec }} />
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={make.isPending} disabled={!name.trim()}>
            Make the token
          </Button>
        </div>
      </form>
    </Modal>
  );
}

import { Button, Checkbox, MultiSelect, TagsInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { wallSettingsQuery } from '../../api/health';
import { useMay } from '../../api/me';
import { endsQuery } from '../../api/outward';
import { CopyAs } from '../../ui/CopyAs';
import { Facts } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { faultAt, useChange } from '../../ui/useChange';

/** When the digest is sent, to which channels, and whether it is left out when nothing fails. */
export function WallSettings() {
  const query = useQuery(wallSettingsQuery);
  const may = useMay('edit');
  return <Load query={query}>{({ value, etag }) => (may ? <Form key={etag} was={value} etag={etag} /> : <Read spec={value} />)}</Load>;
}

function Read({ spec }: { spec: Schemas['WallSpec'] }) {
  return (
    <Facts
      items={[
        ['Sent at', spec.times.length > 0 ? `${spec.times.join(', ')} (${spec.zone ?? 'UTC'})` : 'never'],
        ['When nothing fails', spec.quiet ? 'left out' : 'sent, too'],
      ]}
    />
  );
}

function Form({ was, etag }: { was: Schemas['WallSpec']; etag: string }) {
  const channels = useQuery(endsQuery('channels'));
  const [spec, setSpec] = useState(was);
  const changed = JSON.stringify(spec) !== JSON.stringify(was);
  const save = useChange(
    ['wall'],
    () => body(api.PUT('/api/v1/wall/settings', { params: { header: { 'If-Match': etag } }, body: spec })),
    'The digest is set',
  );
  const set = (change: Partial<Schemas['WallSpec']>) => setSpec({ ...spec, ...change });
  return (
    <form
      className="stack"
      style={{ maxWidth: 560 }}
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      <TagsInput label="Times" error={faultAt(save.error, 'times')} description="Each day, such as 08:00; none: never." value={spec.times} onChange={(times) => set({ times })} placeholder={spec.times.length === 0 ? '08:00' : undefined} />
      <TextInput label="Time zone" error={faultAt(save.error, 'zone')} description="Such as Europe/Berlin; also of the times in the text." value={spec.zone ?? ''} placeholder="UTC" onChange={(e) => set({ zone: e.currentTarget.value })} autoComplete="off" />
      <MultiSelect
        label="Channels"
        description={channels.data?.length === 0 ? 'There is none yet: make one under Channels.' : 'Who gets it.'}
        data={(channels.data ?? []).map((c) => ({ value: c.id, label: c.name }))}
        value={spec.channels}
        onChange={(v) => set({ channels: v })}
        disabled={channels.data?.length === 0}
      />
      <Checkbox label="Leave it out when nothing fails" checked={spec.quiet ?? false} onChange={(e) => set({ quiet: e.currentTarget.checked })} />
      <div className="row">
        <Button type="submit" loading={save.isPending} disabled={!changed}>
          Save
        </Button>
        <CopyAs call={{ method: 'PUT', path: '/api/v1/wall/settings', body: spec }} />
      </div>
    </form>
  );
}

import { Button, Checkbox, Modal, MultiSelect, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { CopyAs } from '../../ui/CopyAs';
import { faultAt, useChange } from '../../ui/useChange';
import { fromLocal, toLocal } from './causes';
import { MatcherFields } from './MatcherFields';
import { complete, type Matcher } from './matchers';

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Keeps alerts quiet for a while. It has an end and a reason, always. */
export function SilenceForm({ onClose }: { onClose: () => void }) {
  const [reason, setReason] = useState('');
  const [match, setMatch] = useState<Matcher[]>([{ label: 'connection', is: [] }]);
  const [from, setFrom] = useState('');
  const [to, setTo] = useState(() => toLocal(new Date(Date.now() + 2 * 3_600_000).toISOString()));
  const [weekly, setWeekly] = useState<Schemas['WeeklySpec'] | undefined>();
  const starts = fromLocal(from);
  const ends = fromLocal(to);
  const spec: Schemas['SilenceSpec'] = {
    reason: reason.trim(),
    match,
    kind: weekly ? 'maintenance' : 'silence',
    ...(starts ? { starts_at: starts } : {}),
    ...(ends ? { ends_at: ends } : {}),
    ...(weekly ? { weekly } : {}),
  };
  const save = useChange(
    ['silences', 'alerts'],
    () => body(api.POST('/api/v1/silences', { body: spec })),
    'The silence is set',
    onClose,
  );
  return (
    <Modal opened onClose={onClose} title="New silence" size="lg">
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <TextInput label="Reason" description="For those who wonder why it is quiet." value={reason} onChange={(e) => setReason(e.currentTarget.value)} required data-autofocus />
        <MatcherFields value={match} onChange={setMatch} least={1} />
        <div className="row" style={{ alignItems: 'flex-start' }}>
          <TextInput className="grow" type="datetime-local" label="From" error={faultAt(save.error, 'starts_at')} inputWrapperOrder={['label', 'input', 'description']} description="Empty: now." value={from} onChange={(e) => setFrom(e.currentTarget.value)} />
          <TextInput className="grow" type="datetime-local" label="Until" error={faultAt(save.error, 'ends_at')} inputWrapperOrder={['label', 'input', 'description']} description={weekly ? 'Empty: until somebody ends it.' : 'In your time zone.'} value={to} onChange={(e) => setTo(e.currentTarget.value)} required={!weekly} />
        </div>
        <Checkbox
          label="Only in hours that come back (a maintenance window)"
          checked={weekly !== undefined}
          onChange={(e) => setWeekly(e.currentTarget.checked ? { days: ['sun'], from: '02:00', to: '05:00', zone: Intl.DateTimeFormat().resolvedOptions().timeZone } : undefined)}
        />
        {weekly && (
          <div className="row wrap" style={{ alignItems: 'flex-start' }}>
            <MultiSelect className="grow" label="Days" data={days} value={weekly.days ?? []} onChange={(v) => setWeekly({ ...weekly, days: v })} />
            <TextInput w={90} label="From" value={weekly.from} error={faultAt(save.error, 'weekly.from')} onChange={(e) => setWeekly({ ...weekly, from: e.currentTarget.value })} />
            <TextInput w={90} label="To" value={weekly.to} error={faultAt(save.error, 'weekly.to')} onChange={(e) => setWeekly({ ...weekly, to: e.currentTarget.value })} />
            <TextInput w={160} label="Time zone" value={weekly.zone ?? ''} error={faultAt(save.error, 'weekly.zone')} onChange={(e) => setWeekly({ ...weekly, zone: e.currentTarget.value })} />
          </div>
        )}
        <div className="row">
          <Button type="submit" loading={save.isPending} disabled={reason.trim() === '' || !match.every(complete)}>
            Set the silence
          </Button>
          <CopyAs call={{ method: 'POST', path: '/api/v1/silences', body: spec }} />
        </div>
      </form>
    </Modal>
  );
}

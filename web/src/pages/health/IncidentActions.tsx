import { Button, Menu, Modal, Select, TextInput, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { incidentQuery, type Incident } from '../../api/health';
import { useMay } from '../../api/me';
import { IconChevronDown } from '../../ui/icons';
import { CopyAs } from '../../ui/CopyAs';
import { faultAt, ofIncidents, useChange } from '../../ui/useChange';
import classes from './Incidents.module.css';
import { fromLocal, severities, toLocal } from './causes';

type Open = 'change' | 'resolve' | 'merge' | null;

/** What people decide about an incident; who may not run things sees nothing of it. */
export function Actions({ incident: i }: { incident: Incident }) {
  const may = useMay('run');
  const [open, setOpen] = useState<Open>(null);
  const acknowledge = useChange(ofIncidents, () => body(api.POST('/api/v1/incidents/{incident}/acknowledge', { params: { path: { incident: i.id } } })), `Incident ${i.number} is acknowledged: it no longer escalates`);
  if (!may || i.state === 'merged') return null;
  const close = () => setOpen(null);
  const under = i.state === 'open' || i.state === 'acknowledged';
  return (
    <div className={classes.actions}>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button variant="default" rightSection={<IconChevronDown size={13} />}>
            Change
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setOpen('change')}>Assignee, severity, due date…</Menu.Item>
          {under && <Menu.Item onClick={() => setOpen('merge')}>Merge into another…</Menu.Item>}
          {under && <Menu.Item onClick={() => setOpen('resolve')}>Resolve by hand…</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
      {i.state === 'open' && (
        <Button loading={acknowledge.isPending} onClick={() => acknowledge.mutate()}>
          Acknowledge
        </Button>
      )}
      <Modal opened={open === 'change'} onClose={close} title={`Change incident #${i.number}`}>
        <ChangeForm incident={i} onDone={close} />
      </Modal>
      <Modal opened={open === 'resolve'} onClose={close} title={`Resolve incident #${i.number}`}>
        <ResolveForm incident={i} onDone={close} />
      </Modal>
      <Modal opened={open === 'merge'} onClose={close} title={`Merge incident #${i.number}`}>
        <MergeForm incident={i} onDone={close} />
      </Modal>
    </div>
  );
}

interface FormProps {
  incident: Incident;
  onDone: () => void;
}

/** Only what was changed is sent. */
function ChangeForm({ incident: i, onDone }: FormProps) {
  const tag = useQuery(incidentQuery(String(i.number)));
  const [title, setTitle] = useState(i.title);
  const [assignee, setAssignee] = useState(i.assignee ?? '');
  const [severity, setSeverity] = useState<NonNullable<Schemas['IncidentChange']['severity']>>(i.severity_set ? i.severity : '');
  const [due, setDue] = useState(toLocal(i.due_at));
  const change: Schemas['IncidentChange'] = {};
  if (title.trim() !== i.title) change.title = title.trim();
  if (assignee.trim() !== (i.assignee ?? '')) change.assignee = assignee.trim();
  if (severity !== (i.severity_set ? i.severity : '')) change.severity = severity;
  const dueAt = fromLocal(due);
  if (dueAt && due !== toLocal(i.due_at)) change.due_at = dueAt;
  const save = useChange(
    ofIncidents,
    () => body(api.PATCH('/api/v1/incidents/{incident}', { params: { path: { incident: i.id }, header: tag.data ? { 'If-Match': tag.data.etag } : {} }, body: change })),
    `Incident ${i.number} is changed`,
    onDone,
  );
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      <TextInput label="Title" value={title} onChange={(e) => setTitle(e.currentTarget.value)} required maxLength={200} data-autofocus />
      <TextInput label="Assignee" description="As the rota names them; empty: nobody." value={assignee} onChange={(e) => setAssignee(e.currentTarget.value)} autoComplete="off" />
      <Select
        label="Severity"
        data={[{ value: '', label: 'By how many connections it holds down' }, ...Object.entries(severities).map(([value, s]) => ({ value, label: s.word }))]}
        value={severity}
        onChange={(v) => setSeverity((v ?? '') as typeof severity)}
        allowDeselect={false}
      />
      <TextInput type="datetime-local" label="Due" description="In your time zone." value={due} onChange={(e) => setDue(e.currentTarget.value)} />
      <div className="row">
        <Button type="submit" loading={save.isPending} disabled={Object.keys(change).length === 0 || title.trim() === ''}>
          Save
        </Button>
        <CopyAs call={{ method: 'PATCH', path: `/api/v1/incidents/${i.number}`, body: change }} />
      </div>
    </form>
  );
}

function ResolveForm({ incident: i, onDone }: FormProps) {
  const [text, setText] = useState('');
  const resolve = useChange(ofIncidents, () => body(api.POST('/api/v1/incidents/{incident}/resolve', { params: { path: { incident: i.id } }, body: text.trim() ? { text: text.trim() } : {} })), `Incident ${i.number} is resolved`, onDone);
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        resolve.mutate();
      }}
    >
      <p>Incidents resolve by themselves when their connections have recovered. Resolved by hand, its tickets are closed now; what still fails opens it again.</p>
      <Textarea label="Why" description="For those who read this later." value={text} onChange={(e) => setText(e.currentTarget.value)} autosize minRows={3} data-autofocus />
      <div className="row">
        <Button type="submit" loading={resolve.isPending}>
          Resolve
        </Button>
        <CopyAs call={{ method: 'POST', path: `/api/v1/incidents/${i.number}/resolve`, body: text.trim() ? { text: text.trim() } : {} }} />
      </div>
    </form>
  );
}

function MergeForm({ incident: i, onDone }: FormProps) {
  const [into, setInto] = useState('');
  const number = into.trim().replace(/^#/, '');
  const merge = useChange(ofIncidents, () => body(api.POST('/api/v1/incidents/{incident}/merge', { params: { path: { incident: i.id } }, body: { into: number } })), `Incident ${i.number} is merged into ${number}`, onDone);
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        merge.mutate();
      }}
    >
      <p>The other incident goes on for both: it takes over all connections, and this one's tickets are closed with a word of where to look.</p>
      <TextInput label="Number of the other incident" error={faultAt(merge.error, 'into')} value={into} onChange={(e) => setInto(e.currentTarget.value)} required inputMode="numeric" data-autofocus autoComplete="off" />
      <div className="row">
        <Button type="submit" loading={merge.isPending} disabled={number === '' || number === String(i.number)}>
          Merge
        </Button>
        <CopyAs call={{ method: 'POST', path: `/api/v1/incidents/${i.number}/merge`, body: { into: number } }} />
      </div>
    </form>
  );
}

import { Button, Modal } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, asApiError, body, type Schemas } from '../../api/client';
import type { Connection } from '../../api/connections';
import { fleetQuery } from '../../api/fleet';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import type { Call } from '../../ui/write';
import { ErrorState, Load, PartialNote } from '../../ui/States';
import { plural } from '../../ui/format';
import { ChangeTable } from './ChangeTable';
import { Danger } from './Danger';
import { SettingsFields, SettingsFacts } from './SettingsFields';
import classes from './Settings.module.css';
import { useConnection } from './context';
import { streamsQuery, taggedQuery } from './queries';
import { applyPatch, asDocument, mergePatch, settingChanges, settingsOf, type Settings } from './settings';
import { streamSpecs } from './streams';

export function Page() {
  const c = useConnection();
  const mayEdit = useMay('edit', c.id);
  const mayDestroy = useMay('destroy', c.id);
  const tagged = useQuery(taggedQuery(c.id));
  const fleet = useQuery(fleetQuery).data?.items ?? [];
  const nameOf = (id: string) => fleet.find((r) => r.id === id)?.name ?? id;
  if (!mayEdit)
    return (
      <>
        <SettingsFacts connection={c} nameOf={nameOf} />
        <div className={classes.copy}>
          <CopySettings connection={c} settings={settingsOf(c)} nameOf={nameOf} call={{ method: 'GET', path: `/api/v1/connections/${c.id}` }} />
        </div>
      </>
    );
  return (
    <>
      <Load query={tagged}>{(t) => <Form theirs={t.value} etag={t.etag} nameOf={nameOf} others={fleet.filter((r) => r.id !== c.id).map((r) => ({ value: r.id, label: r.name }))} />}</Load>
      {mayDestroy && <Danger />}
    </>
  );
}

interface CopyProps {
  connection: Connection;
  settings: Settings;
  nameOf: (id: string) => string;
  call: Call;
}

/** Copies settings; the document has the streams, too, which may be thousands and are read when it is asked for. */
function CopySettings({ connection: c, settings, nameOf, call }: CopyProps) {
  const [asked, setAsked] = useState(false);
  const streams = useQuery({ ...streamsQuery(c.id), enabled: asked }).data;
  return <CopyAs call={call} onOpen={() => setAsked(true)} {...(streams ? { yaml: asDocument(c, settings, nameOf, streamSpecs(streams)) } : {})} />;
}

interface FormProps {
  theirs: Connection;
  etag: string;
  nameOf: (id: string) => string;
  others: readonly { value: string; label: string }[];
}

/** What was on the server when the first field was changed, and its tag. */
interface Base {
  settings: Settings;
  etag: string;
}

function Form({ theirs, etag, nameOf, others }: FormProps) {
  const client = useQueryClient();
  const now = settingsOf(theirs);
  const [mine, setMine] = useState<Settings | null>(null);
  const [base, setBase] = useState<Base | null>(null);
  const [review, setReview] = useState(false);
  const [faults, setFaults] = useState<Record<string, string>>({});
  const shown = mine ?? now;
  const was = base ?? { settings: now, etag };
  const patch = mergePatch(was.settings, shown) as Schemas['ConnectionPatch'] | undefined;
  const changes = settingChanges(was.settings, shown);
  const fault = Object.values(faults).find((f) => f !== '');
  const meanwhile = base ? settingChanges(base.settings, now) : [];
  const change = (next: Partial<Settings>) => {
    if (!base) setBase({ settings: now, etag });
    setMine({ ...shown, ...next });
  };
  const drop = () => {
    setMine(null);
    setBase(null);
    setReview(false);
    setFaults({});
  };
  const save = useMutation({
    mutationFn: () => body(api.PATCH('/api/v1/connections/{connection}', { params: { path: { connection: theirs.id }, header: { 'If-Match': was.etag } }, body: patch! })),
    onSuccess: async (saved) => {
      const notes = saved.notes ?? [];
      await client.invalidateQueries({ queryKey: keys.one('connections', theirs.id) });
      notifications.show({ title: 'The settings were saved.', message: notes.join(' · ') || 'They count from the next sync on.', color: 'teal', autoClose: notes.length > 0 ? false : 4000 });
      drop();
    },
  });
  const conflict = save.error !== null && asApiError(save.error).status === 412;
  /** Mine on top of theirs: fields that only they changed are as they have them. */
  const rebase = async () => {
    const fresh = await client.fetchQuery({ ...taggedQuery(theirs.id), staleTime: 0 });
    setMine(applyPatch(settingsOf(fresh.value), patch));
    setBase({ settings: settingsOf(fresh.value), etag: fresh.etag });
    save.reset();
  };
  const copy = <CopySettings connection={theirs} settings={shown} nameOf={nameOf} call={{ method: 'PATCH', path: `/api/v1/connections/${theirs.id}`, body: patch ?? {} }} />;
  return (
    <form
      className={classes.form}
      onSubmit={(e) => {
        e.preventDefault();
        if (changes.length > 0 && !fault) setReview(true);
      }}
    >
      <SettingsFields value={shown} onChange={change} onFault={(field, text) => setFaults((f) => (f[field] === text ? f : { ...f, [field]: text }))} others={others} connection={theirs} />
      {meanwhile.length > 0 && (
        <div className={classes.meanwhile}>
          <PartialNote>Somebody else changed this connection since you began.</PartialNote>
          <ChangeTable changes={meanwhile} label="What somebody else changed" />
          <Button mt="xs" variant="default" onClick={() => void rebase()}>
            Put my changes on top of theirs
          </Button>
        </div>
      )}
      <div className={classes.bar} data-dirty={changes.length > 0 || undefined}>
        <span className="dim">{changes.length > 0 ? `${plural(changes.length, 'setting')} changed, not saved: ${changes.map((x) => x.field.toLowerCase()).join(', ')}` : 'Nothing is changed.'}</span>
        <span className="grow" />
        {copy}
        {changes.length > 0 && (
          <Button variant="default" onClick={drop}>
            Discard
          </Button>
        )}
        <Button type="submit" disabled={changes.length === 0 || fault !== undefined} title={fault}>
          Review and save
        </Button>
      </div>
      <Modal opened={review} onClose={() => setReview(false)} title={`Save ${plural(changes.length, 'change')}`} size="lg">
        <div className="stack">
          <ChangeTable changes={changes} label="What will be saved" />
          {conflict ? (
            <PartialNote onRetry={() => void rebase()}>Somebody else changed this connection meanwhile; nothing was saved. Trying again puts your changes on top of theirs: look at them again first.</PartialNote>
          ) : (
            save.error && <ErrorState error={save.error} what="Nothing was saved" />
          )}
          <div className={classes.actions}>
            {copy}
            <Button variant="default" onClick={() => setReview(false)}>
              Back
            </Button>
            <Button loading={save.isPending} disabled={conflict} onClick={() => save.mutate()}>
              Save
            </Button>
          </div>
        </div>
      </Modal>
    </form>
  );
}

import { Button, Modal } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, asApiError, body } from '../../api/client';
import { keys } from '../../api/keys';
import { CopyAs } from '../../ui/CopyAs';
import { ErrorState, PartialNote } from '../../ui/States';
import { plural } from '../../ui/format';
import { ChangeTable } from './ChangeTable';
import { useConnection } from './context';
import { taggedQuery } from './queries';
import { asDocument, settingsOf } from './settings';
import { changesOf, conflictsOf, nameOf, patchOf, streamSpecs, type Choice, type ConnectionStream, type Draft } from './streams';

interface Props {
  opened: boolean;
  onClose: () => void;
  streams: readonly ConnectionStream[];
  drafts: ReadonlyMap<string, Draft>;
  /** As the streams were when they were first changed here. */
  base: ReadonlyMap<string, Choice>;
  onSaved: () => void;
}

/** What will be saved, field by field, and what others changed meanwhile. */
export function StreamReview(props: Props) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={`Save changes of ${plural(props.drafts.size, 'stream')}`} size="xl">
      {props.opened && <Review {...props} />}
    </Modal>
  );
}

function Review({ streams, drafts, base, onClose, onSaved }: Props) {
  const c = useConnection();
  const client = useQueryClient();
  const tagged = useQuery({ ...taggedQuery(c.id), refetchOnMount: 'always' });
  const patches = streams.flatMap((s) => {
    const draft = drafts.get(nameOf(s));
    return draft ? [patchOf(s, draft)] : [];
  });
  const save = useMutation({
    mutationFn: () => body(api.PATCH('/api/v1/connections/{connection}/streams', { params: { path: { connection: c.id }, header: { 'If-Match': tagged.data!.etag } }, body: { streams: patches } })),
    onSuccess: (saved) => {
      const notes = saved.notes ?? [];
      notifications.show({ title: 'The streams were saved.', message: notes.length > 0 ? notes.join(' · ') : 'They count from the next sync on.', color: 'teal', autoClose: notes.length > 0 ? false : 4000 });
      void client.invalidateQueries({ queryKey: keys.one('connections', c.id) });
      onSaved();
    },
  });
  const changed = save.error && asApiError(save.error).status === 412;
  const again = async () => {
    await Promise.all([tagged.refetch(), client.refetchQueries({ queryKey: keys.one('connections', c.id, 'streams') })]);
    save.reset();
  };
  const conflicts = conflictsOf(base, streams, drafts);
  return (
    <div className="stack">
      <ChangeTable changes={changesOf(streams, drafts)} label="What will be saved" />
      {conflicts.length > 0 && (
        <>
          <PartialNote>Somebody else changed the same meanwhile. Before is theirs, after is yours; saving puts yours in its place.</PartialNote>
          <ChangeTable changes={conflicts} label="Conflicts" />
        </>
      )}
      {changed ? (
        <PartialNote onRetry={() => void again()}>The connection was changed by somebody else since it was read. Nothing was saved. Read it again, look at what they did, and save.</PartialNote>
      ) : (
        save.error && <ErrorState error={save.error} what="Nothing was saved" />
      )}
      {tagged.error && <ErrorState error={tagged.error} onRetry={() => void tagged.refetch()} />}
      <div className="row wrap" style={{ justifyContent: 'flex-end' }}>
        <CopyAs
          call={{ method: 'PATCH', path: `/api/v1/connections/${c.id}/streams`, body: { streams: patches } }}
          yaml={asDocument(c, settingsOf(c), (id) => id, streamSpecs(streams, drafts))}
        />
        <Button variant="default" onClick={onClose}>
          Back
        </Button>
        <Button disabled={!tagged.data || Boolean(changed)} loading={save.isPending} onClick={() => save.mutate()}>
          Save
        </Button>
      </div>
    </div>
  );
}

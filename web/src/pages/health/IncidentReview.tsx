import { Button, Checkbox, TextInput, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { reviewQuery, type Incident } from '../../api/health';
import { useMay } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { Time } from '../../ui/Time';
import { date } from '../../ui/format';
import { IconPlus, IconTrash } from '../../ui/icons';
import { ofIncidents, useChange } from '../../ui/useChange';
import classes from './Incidents.module.css';
import { fromLocal, toLocal } from './causes';

/** The review after the fact: what happened, why, and what is done so that it does not come again. */
export function Review({ incident: i }: { incident: Incident }) {
  const query = useQuery(reviewQuery(i.id));
  const may = useMay('run');
  const [editing, setEditing] = useState(false);
  return (
    <Section
      title="Review"
      summary={query.data?.value.updated_at && <Time at={query.data.value.updated_at} />}
      actions={
        may && !editing ? (
          <Button variant="default" onClick={() => setEditing(true)} disabled={query.isPending}>
            {query.data ? 'Change' : 'Write a review'}
          </Button>
        ) : undefined
      }
    >
      <Load query={query} lines={2}>
        {(found) =>
          editing ? (
            <ReviewForm incident={i} was={found?.value} etag={found?.etag} onDone={() => setEditing(false)} />
          ) : found ? (
            <Written review={found.value} />
          ) : (
            <p className="dim">Nobody has written yet what happened, why, and what is done so that it does not come again.</p>
          )
        }
      </Load>
    </Section>
  );
}

const parts = [
  ['happened', 'What happened'],
  ['cause', 'Why'],
  ['impact', 'What it meant, and for whom'],
  ['lessons', 'What was learned'],
] as const;

function Written({ review: r }: { review: Schemas['Review'] }) {
  return (
    <div className="stack">
      {parts.map(([key, title]) =>
        r[key] ? (
          <div key={key}>
            <h3 className="dim">{title}</h3>
            <p className={classes.text}>{r[key]}</p>
          </div>
        ) : null,
      )}
      {r.actions.length > 0 && (
        <div>
          <h3 className="dim">Action items</h3>
          <ul>
            {r.actions.map((a, n) => (
              <li key={n}>
                {a.done_at ? <s>{a.what}</s> : a.what}
                <span className="dim">
                  {' '}
                  {[a.owner, a.done_at ? `done ${date(a.done_at)}` : a.due_at ? `due ${date(a.due_at)}` : ''].filter(Boolean).join(', ')}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

type Action = Schemas['ActionSpec'] & { key: number };

function ReviewForm({ incident: i, was, etag, onDone }: { incident: Incident; was: Schemas['Review'] | undefined; etag: string | undefined; onDone: () => void }) {
  const [texts, setTexts] = useState({ happened: was?.happened ?? '', cause: was?.cause ?? '', impact: was?.impact ?? '', lessons: was?.lessons ?? '' });
  const [actions, setActions] = useState<Action[]>(() => (was?.actions ?? []).map(({ what, owner, due_at, done_at }, key) => ({ key, what, ...(owner ? { owner } : {}), ...(due_at ? { due_at } : {}), ...(done_at ? { done_at } : {}) })));
  const put = (key: number, change: Partial<Record<keyof Action, string | undefined>>) => setActions((before) => before.map((a) => (a.key === key ? (Object.fromEntries(Object.entries({ ...a, ...change }).filter(([, v]) => v !== undefined)) as Action) : a)));
  const spec: Schemas['ReviewSpec'] = { ...texts, actions: actions.filter((a) => a.what.trim() !== '').map((a) => ({ ...a, key: undefined })) };
  const save = useChange(
    ofIncidents,
    () => body(api.PUT('/api/v1/incidents/{incident}/review', { params: { path: { incident: i.id }, header: etag ? { 'If-Match': etag } : {} }, body: spec })),
    'The review is kept',
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
      {parts.map(([key, title]) => (
        <Textarea key={key} label={title} required={key === 'happened'} value={texts[key]} onChange={(e) => setTexts({ ...texts, [key]: e.currentTarget.value })} autosize minRows={2} />
      ))}
      <fieldset className="stack" style={{ border: 0, padding: 0, margin: 0 }}>
        <legend>Action items</legend>
        {actions.map((a) => (
          <div key={a.key} className={classes.action}>
            <TextInput label="What" value={a.what} onChange={(e) => put(a.key, { what: e.currentTarget.value })} required />
            <TextInput label="Who" value={a.owner ?? ''} onChange={(e) => put(a.key, { owner: e.currentTarget.value || undefined })} />
            <TextInput label="Due" type="datetime-local" value={toLocal(a.due_at)} onChange={(e) => put(a.key, { due_at: fromLocal(e.currentTarget.value) })} />
            <Checkbox label="Done" checked={Boolean(a.done_at)} onChange={(e) => put(a.key, { done_at: e.currentTarget.checked ? new Date().toISOString() : undefined })} pb={8} />
            <Button variant="subtle" color="gray" aria-label={`Remove ${a.what || 'this item'}`} onClick={() => setActions(actions.filter((o) => o !== a))}>
              <IconTrash size={14} aria-hidden />
            </Button>
          </div>
        ))}
        <div>
          <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setActions([...actions, { key: Math.max(-1, ...actions.map((a) => a.key)) + 1, what: '' }])}>
            Add an item
          </Button>
        </div>
      </fieldset>
      <div className="row">
        <Button type="submit" loading={save.isPending} disabled={texts.happened.trim() === ''}>
          Keep the review
        </Button>
        <CopyAs call={{ method: 'PUT', path: `/api/v1/incidents/${i.number}/review`, body: spec }} />
        <Button variant="subtle" color="gray" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

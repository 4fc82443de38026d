import { Button, Menu, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import { IconCheck, IconChevronDown, IconClose, IconPause, IconPlay, IconRefresh } from '../../ui/icons';
import { CopyAs } from '../../ui/CopyAs';
import { Meter } from '../../ui/charts';
import { plural } from '../../ui/format';
import { parseLabel } from '../../ui/labels';
import { sentence } from '../../ui/States';
import { actOn, actOnAll, type BulkAction, type BulkItem, type BulkResult } from './bulk';
import classes from './Connections.module.css';

interface Props {
  items: readonly BulkItem[];
  mayEdit: boolean;
  onClear: () => void;
}

const titles = { sync: 'Sync now', pause: 'Pause', resume: 'Resume', label: 'Label' };

/** What can be done to the selected connections, and how it went, one by one. */
export function Bulk({ items, mayEdit, onClear }: Props) {
  const [run, setRun] = useState<{ title: string; total: number; results: BulkResult[]; open: boolean } | null>(null);
  const [labelling, setLabelling] = useState(false);
  const start = (action: BulkAction) => {
    setLabelling(false);
    setRun({ title: titles[action.kind], total: items.length, results: [], open: true });
    void actOnAll(items, (item) => actOn(action, item.id), (r) => setRun((before) => before && { ...before, results: [...before.results, r] }));
  };
  return (
    <>
      {items.length > 0 && (
        <div className={classes.bulk} role="region" aria-label="Actions on what is selected">
          <b>{items.length} selected</b>
          <Button variant="default" leftSection={<IconRefresh size={14} />} onClick={() => start({ kind: 'sync' })}>
            Sync now
          </Button>
          <Button variant="default" leftSection={<IconPause size={14} />} onClick={() => start({ kind: 'pause' })}>
            Pause
          </Button>
          <Button variant="default" leftSection={<IconPlay size={14} />} onClick={() => start({ kind: 'resume' })}>
            Resume
          </Button>
          {mayEdit && (
            <Button variant="default" onClick={() => setLabelling(true)}>
              Label…
            </Button>
          )}
          <Button variant="subtle" color="gray" leftSection={<IconClose size={13} />} onClick={onClear}>
            Clear
          </Button>
        </div>
      )}
      <Modal opened={labelling} onClose={() => setLabelling(false)} title={`Label ${plural(items.length, 'connection')}`}>
        <LabelForm items={items} onSubmit={start} />
      </Modal>
      {run && (
        <Modal opened={run.open} onClose={() => setRun({ ...run, open: false })} title={`${run.title}: ${plural(run.total, 'connection')}`} size="lg">
          <Results total={run.total} results={run.results} />
        </Modal>
      )}
    </>
  );
}

function LabelForm({ items, onSubmit }: { items: readonly BulkItem[]; onSubmit: (action: BulkAction) => void }) {
  const [text, setText] = useState('');
  const label = parseLabel(text);
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        if (label) onSubmit({ kind: 'label', ...label });
      }}
    >
      <TextInput label="Label" description="key=value; a label of the same key is replaced." placeholder="env=prod" value={text} onChange={(e) => setText(e.currentTarget.value)} data-autofocus autoComplete="off" spellCheck={false} />
      <div className="row">
        <Button type="submit" disabled={!label}>
          Set the label
        </Button>
        <Menu position="bottom-start">
          <Menu.Target>
            <Button variant="default" rightSection={<IconChevronDown size={13} />} disabled={text.trim() === ''}>
              Or
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => onSubmit({ kind: 'label', key: text.split('=')[0]!.trim(), value: null })}>Take the label “{text.split('=')[0]!.trim()}” off</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        {label && <CopyAs call={items.map((item) => ({ method: 'PATCH', path: `/api/v1/connections/${item.id}`, body: { labels: { [label.key]: label.value } } }))} />}
      </div>
    </form>
  );
}

function Results({ total, results }: { total: number; results: readonly BulkResult[] }) {
  const failed = results.filter((r) => r.error);
  // What failed is first: it is what one has to read.
  const ordered = [...failed, ...results.filter((r) => !r.error)];
  return (
    <div className="stack">
      <p role="status">
        {results.length < total ? `${results.length} of ${total} done` : `All ${total} answered`}
        {failed.length > 0 ? `; ${failed.length} refused or failed.` : results.length === total ? '; none failed.' : '.'}
      </p>
      <Meter share={results.length / total} label="Done" tone={failed.length > 0 ? 'degraded' : 'healthy'} />
      <div className={classes.resultsFrame} role="region" aria-label="Result of each" tabIndex={0}>
        <ul className={classes.results}>
        {ordered.slice(0, 500).map((r) => (
          <li key={r.id} data-failed={r.error ? true : undefined}>
            {r.error ? <IconClose size={14} aria-hidden /> : <IconCheck size={14} aria-hidden />}
            <span className="cut">{r.name}</span>
            <span className={classes.said}>
              {r.error ? (
                <>
                  <code>{r.error.code}</code> {sentence(r.error.message)} {r.error.hint ? sentence(r.error.hint) : ''}
                </>
              ) : (
                sentence(r.done ?? '')
              )}
            </span>
          </li>
        ))}
        </ul>
      </div>
    </div>
  );
}

import { ActionIcon, MultiSelect, Select, Switch, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Schemas } from '../../api/client';
import { SearchField } from './SearchField';
import { plural } from '../../ui/format';
import { IconClose } from '../../ui/icons';
import classes from './Streams.module.css';
import { modeWords, nameOf, treat, treatmentOf, type Choice, type ConnectionStream, type Draft, type Treatment } from './streams';

interface Props {
  stream: ConnectionStream;
  /** As it is with what was changed here. */
  choice: Choice;
  columns: readonly Schemas['Column'][];
  mayEdit: boolean;
  onChange: (draft: Draft) => void;
  onClose: () => void;
}

const option = (value: string) => ({ value, label: modeWords[value] ?? value });
const all = { mode: ['full_refresh', 'incremental', 'cdc'], write: ['append', 'merge', 'soft_delete', 'history', 'replace'] };
const writeMeans: Record<string, string> = {
  append: 'Rows are added; nothing is ever changed.',
  merge: 'Rows with the same key are replaced.',
  soft_delete: 'As merge; deleted rows stay and are marked.',
  history: 'Every version of a row is kept, with from and until.',
  replace: 'The table is swapped after a complete, verified load.',
};

/** What one stream does, and what becomes of its columns. Nothing is saved here. */
export function StreamEditor({ stream: s, choice: c, columns, mayEdit, onChange, onClose }: Props) {
  const fixed = !mayEdit;
  const names = columns.map((x) => x.name);
  const modes = s.offered?.modes.length ? s.offered.modes : all.mode;
  return (
    <section aria-label={`Settings of ${nameOf(s)}`}>
      <div className={classes.editorHead}>
        <h2 className="grow">{nameOf(s)}</h2>
        <ActionIcon variant="subtle" color="gray" aria-label="Close the stream" onClick={onClose}>
          <IconClose size={16} />
        </ActionIcon>
      </div>
      {s.offered?.doc && <p className={classes.doc}>{s.offered.doc}</p>}
      <div className={classes.fields}>
        <Switch className={classes.whole} label="Sync this stream" checked={c.selected} disabled={fixed} onChange={(e) => onChange({ selected: e.currentTarget.checked })} />
        <Select label="Read" data={[{ value: '', label: `Automatic${s.offered?.modes[0] ? ` (${modeWords[s.offered.modes[0]]})` : ''}` }, ...modes.map(option)]} value={c.mode} allowDeselect={false} disabled={fixed} onChange={(v) => onChange({ mode: v ?? '' })} />
        <Select label="Write" data={[{ value: '', label: 'Automatic' }, ...all.write.map(option)]} value={c.write} allowDeselect={false} disabled={fixed} description={writeMeans[c.write]} inputWrapperOrder={['label', 'input', 'description']} onChange={(v) => onChange({ write: v ?? '' })} />
        <MultiSelect className={classes.whole} label="Primary key" placeholder={c.primary_key.length > 0 ? undefined : s.offered?.key?.length ? `as the source says: ${s.offered.key.join(', ')}` : 'as the source says'} data={names} value={c.primary_key} disabled={fixed} searchable clearable clearButtonProps={{ 'aria-label': 'Clear the primary key' }} onChange={(v) => onChange({ primary_key: v })} />
        <Select label="Cursor" data={[{ value: '', label: s.offered?.cursors?.[0] ? `Automatic (${s.offered.cursors[0]})` : 'Automatic' }, ...(s.offered?.cursors?.length ? s.offered.cursors : names).map((n) => ({ value: n, label: n }))]} value={c.cursor} allowDeselect={false} searchable disabled={fixed} onChange={(v) => onChange({ cursor: v ?? '' })} />
        <Select label="Nested data" data={[{ value: '', label: 'As the connection says' }, option('json'), option('tables')]} value={c.nested} allowDeselect={false} disabled={fixed} onChange={(v) => onChange({ nested: v ?? '' })} />
        <TextInput className={classes.whole} label="Table" placeholder="by rule, from the stream’s name" value={c.table} disabled={fixed} onChange={(e) => onChange({ table: e.currentTarget.value })} />
      </div>
      <Columns choice={c} columns={columns} keys={c.primary_key.length > 0 ? c.primary_key : (s.offered?.key ?? [])} fixed={fixed} onChange={onChange} />
    </section>
  );
}

const treatments: readonly { value: Treatment; label: string }[] = [
  { value: 'load', label: 'Load' },
  { value: 'hash', label: 'Hash' },
  { value: 'exclude', label: 'Leave out' },
];

function Columns({ choice, columns, keys, fixed, onChange }: { choice: Choice; columns: readonly Schemas['Column'][]; keys: readonly string[]; fixed: boolean; onChange: (draft: Draft) => void }) {
  const [search, setSearch] = useState('');
  const shown = columns.filter((c) => c.name.toLowerCase().includes(search.toLowerCase()));
  return (
    <>
      <div className={classes.subhead}>
        <h3>Columns</h3>
        <span className="dim">{columns.length === 0 ? 'known after the first sync' : plural(columns.length, 'column')}</span>
        <span className="grow" />
        {columns.length > 12 && <SearchField label="Search columns" value={search} onChange={setSearch} />}
      </div>
      <ul className={classes.tree} aria-label="Columns">
        {shown.map((col) => {
          const as = treatmentOf(choice, col.name);
          const key = keys.includes(col.name);
          return (
            <li key={col.name}>
              <span className={classes.column} data-as={as}>
                <span>{col.name}</span>
                <span className={classes.type}>
                  {col.type}
                  {col.nullable ? '' : ', never empty'}
                  {key ? ' · key' : ''}
                  {choice.cursor === col.name ? ' · cursor' : ''}
                </span>
              </span>
              {fixed ? (
                <span className="dim">{treatments.find((t) => t.value === as)?.label}</span>
              ) : (
                <span className={classes.treatment} role="radiogroup" aria-label={`What becomes of ${col.name}`}>
                  {treatments.map((t) => (
                    <label key={t.value} data-on={as === t.value || undefined}>
                      <input type="radio" name={`treat-${col.name}`} checked={as === t.value} disabled={key && t.value === 'exclude'} onChange={() => onChange(treat(choice, col.name, t.value))} />
                      {t.label}
                    </label>
                  ))}
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </>
  );
}

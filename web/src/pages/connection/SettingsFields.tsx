import { ActionIcon, Button, MultiSelect, NumberInput, Select, Switch, Textarea, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import type { Connection } from '../../api/connections';
import { Facts, Section } from '../../ui/PageFrame';
import { parseDuration, schedule as scheduleWords } from '../../ui/format';
import { IconClose, IconPlus } from '../../ui/icons';
import { ScheduleFields, scheduleFault } from '../setup/steps/ScheduleStep';
import classes from './Settings.module.css';
import { labelText, parseLabels, type Settings } from './settings';

interface Props {
  value: Settings;
  onChange: (change: Partial<Settings>) => void;
  /** Says what is wrong with a field; '' where nothing is. */
  onFault: (field: string, text: string) => void;
  others: readonly { value: string; label: string }[];
  connection: Connection;
}

/** Labels of a row stand on one line: what explains a field is below it. */
const below = { inputWrapperOrder: ['label', 'input', 'error', 'description'] as ('label' | 'input' | 'error' | 'description')[] };

const drifts = [
  { value: 'allow_all', label: 'New streams and columns come in' },
  { value: 'allow_columns', label: 'New columns come in, streams wait for approval' },
  { value: 'block_all', label: 'All waits for approval' },
];
const losses = [
  { value: 'ask', label: 'Wait for approval of a re-sync' },
  { value: 'resync', label: 'Read the streams anew' },
];
const nestings = [
  { value: 'json', label: 'One JSON column' },
  { value: 'tables', label: 'Tables of their own' },
];

/** Fields whose text is not yet a value keep it, and say what is wrong. */
export function SettingsFields({ value: v, onChange, onFault, others, connection: c }: Props) {
  const [labels, setLabels] = useState<string>();
  const freshFault = v.freshness && !(parseDuration(v.freshness) >= 60_000) ? 'A duration of at least 1m, such as 12h or 2d.' : '';
  const nameFault = v.name.trim() === '' ? 'A connection needs a name.' : '';
  const text = labels ?? labelText(v.labels);
  const parsed = parseLabels(text);
  return (
    <>
      <Section title="General">
        <div className={classes.grid}>
          <TextInput
            label="Name"
            value={v.name}
            error={nameFault || undefined}
            onChange={(e) => {
              onFault('name', e.currentTarget.value.trim() === '' ? 'A connection needs a name.' : '');
              onChange({ name: e.currentTarget.value });
            }}
          />
          <TextInput {...below} label="Team" description="Who looks after it." value={v.team ?? ''} onChange={(e) => onChange({ team: e.currentTarget.value || undefined })} />
          <Textarea
            {...below}
            label="Labels"
            description="One to a line: key=value."
            autosize
            minRows={2}
            size="xs"
            value={text}
            error={parsed.wrong}
            spellCheck={false}
            onChange={(e) => {
              const next = parseLabels(e.currentTarget.value);
              setLabels(e.currentTarget.value);
              onFault('labels', next.wrong ?? '');
              if (!next.wrong) onChange({ labels: Object.keys(next.labels).length > 0 ? next.labels : undefined });
            }}
          />
          <div className="stack">
            <ReadOnly label="Source">{c.source_name}</ReadOnly>
            <ReadOnly label="Destination">
              {c.destination_name}, schema <code>{c.schema}</code>
            </ReadOnly>
          </div>
        </div>
      </Section>
      <Section title="Schedule">
        <div className="stack">
          <ScheduleFields
            value={v.schedule}
            onChange={(s) => {
              onFault('schedule', scheduleFault(s) ?? '');
              onChange({ schedule: s });
            }}
          />
          <Windows value={v.windows ?? []} onChange={(windows) => onChange({ windows: windows.length > 0 ? windows : undefined })} />
          <MultiSelect {...below} className={classes.field} label="Runs after" description="Connections after whose success it runs, too." data={[...others]} value={v.depends_on ?? []} searchable clearable clearButtonProps={{ 'aria-label': 'Clear what it runs after' }} limit={50} onChange={(d) => onChange({ depends_on: d.length > 0 ? d : undefined })} />
          <TextInput
            {...below}
            className={classes.field}
            label="Freshness objective"
            description="How old the last success may be. Empty: twice the schedule’s period."
            placeholder="12h"
            value={v.freshness ?? ''}
            error={freshFault || undefined}
            onChange={(e) => {
              const f = e.currentTarget.value.trim();
              onFault('freshness', f && !(parseDuration(f) >= 60_000) ? 'A duration of at least 1m, such as 12h or 2d.' : '');
              onChange({ freshness: f || undefined });
            }}
          />
        </div>
      </Section>
      <Section title="Data">
        <div className={classes.grid}>
          <Select {...below} label="Schema drift" description="What becomes of what is new in the source." data={drifts} value={v.drift} allowDeselect={false} onChange={(d) => onChange({ drift: d as Settings['drift'] })} />
          <Select {...below} label="When the position is lost" description="The source no longer has the log or cursor to go on from." data={losses} value={v.on_lost} allowDeselect={false} onChange={(o) => onChange({ on_lost: o as Settings['on_lost'] })} />
          <Select {...below} label="Nested data" description="For streams that do not say." data={nestings} value={v.nested} allowDeselect={false} onChange={(n) => onChange({ nested: n as Settings['nested'] })} />
          <Switch mt="lg" label="Sync streams without settings, too" checked={v.all_streams} onChange={(e) => onChange({ all_streams: e.currentTarget.checked })} />
        </div>
      </Section>
      <Section title="Limits" summary="Empty: the default.">
        <Limits value={v.limits} onChange={(limits) => onChange({ limits })} />
      </Section>
    </>
  );
}

function ReadOnly({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <div className={classes.label}>{label}</div>
      <div>{children}</div>
    </div>
  );
}

const limits: readonly { key: keyof Schemas['Limits']; label: string; unit: string }[] = [
  { key: 'streams', label: 'Streams at once', unit: '' },
  { key: 'parts', label: 'Parts of one stream at once', unit: '' },
  { key: 'memory_mb', label: 'Memory for rows', unit: ' MB' },
  { key: 'window_rows', label: 'Rows committed together', unit: '' },
  { key: 'window_mb', label: 'Size committed together', unit: ' MB' },
  { key: 'max_rejected', label: 'Rejected records that end a sync', unit: '' },
];

function Limits({ value, onChange }: { value: Schemas['Limits']; onChange: (limits: Schemas['Limits']) => void }) {
  return (
    <div className={classes.limits}>
      {limits.map((l) => (
        <NumberInput
          key={l.key}
          label={l.label}
          suffix={l.unit}
          placeholder="default"
          min={1}
          allowDecimal={false}
          allowNegative={false}
          thousandSeparator=" "
          hideControls
          size="xs"
          value={value[l.key] ? value[l.key] : ''}
          onChange={(n) => {
            const next = { ...value };
            if (typeof n === 'number' && n > 0) next[l.key] = n;
            else delete next[l.key];
            onChange(next);
          }}
        />
      ))}
    </div>
  );
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((d) => ({ value: d, label: d.charAt(0).toUpperCase() + d.slice(1) }));

/** Times in which no sync may run. */
function Windows({ value, onChange }: { value: readonly Schemas['WindowSpec'][]; onChange: (windows: Schemas['WindowSpec'][]) => void }) {
  const put = (i: number, change: Partial<Schemas['WindowSpec']>) => onChange(value.map((w, k) => (k === i ? { ...w, ...change } : w)));
  return (
    <fieldset className={classes.windows}>
      <legend className={classes.label}>Never between</legend>
      {value.map((w, i) => (
        <div key={i} className={classes.window}>
          <TextInput aria-label={`From, window ${i + 1}`} type="time" value={w.from} onChange={(e) => put(i, { from: e.currentTarget.value })} />
          <span>and</span>
          <TextInput aria-label={`To, window ${i + 1}`} type="time" value={w.to} onChange={(e) => put(i, { to: e.currentTarget.value })} />
          <MultiSelect aria-label={`Days, window ${i + 1}`} placeholder={w.days?.length ? undefined : 'every day'} data={days} value={w.days ?? []} onChange={(d) => put(i, { days: d.length > 0 ? d : undefined })} />
          <Select aria-label={`Time zone, window ${i + 1}`} data={['UTC', ...Intl.supportedValuesOf('timeZone').filter((z) => z !== 'UTC')]} value={w.zone ?? 'UTC'} searchable allowDeselect={false} limit={60} onChange={(z) => put(i, { zone: z && z !== 'UTC' ? z : undefined })} />
          <ActionIcon variant="subtle" color="gray" aria-label={`Remove window ${i + 1}`} onClick={() => onChange(value.filter((_, k) => k !== i))}>
            <IconClose size={14} />
          </ActionIcon>
        </div>
      ))}
      <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => onChange([...value, { from: '08:00', to: '18:00', zone: Intl.DateTimeFormat().resolvedOptions().timeZone }])}>
        Add a window
      </Button>
    </fieldset>
  );
}

const labelOf = (options: readonly { value: string; label: string }[], value: string) => options.find((o) => o.value === value)?.label ?? value;

/** The settings for those who may not change them. */
export function SettingsFacts({ connection: c, nameOf }: { connection: Connection; nameOf: (id: string) => string }) {
  return (
    <Section title="Settings">
      <Facts
        items={[
          ['Name', c.name],
          ['Source', c.source_name],
          ['Destination', `${c.destination_name}, schema ${c.schema}`],
          ['Team', c.team || 'none'],
          ['Labels', labelText(c.labels) || 'none'],
          ['Schedule', scheduleWords(c.schedule)],
          ['Never between', c.windows?.map((w) => `${w.from} and ${w.to} ${w.zone ?? 'UTC'}${w.days?.length ? `, ${w.days.join(' ')}` : ''}`).join('; ') || 'no windows'],
          ['Runs after', c.depends_on?.map(nameOf).join(', ') || 'nothing'],
          ['Freshness objective', c.freshness || 'twice the schedule’s period'],
          ['Schema drift', labelOf(drifts, c.drift)],
          ['When the position is lost', labelOf(losses, c.on_lost)],
          ['Nested data', labelOf(nestings, c.nested)],
        ]}
      />
    </Section>
  );
}

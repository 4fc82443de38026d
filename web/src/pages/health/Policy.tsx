import { Button, NumberInput, TagsInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { useMay } from '../../api/me';
import { policyQuery } from '../../api/outward';
import { CopyAs } from '../../ui/CopyAs';
import { Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { faultAt, useChange } from '../../ui/useChange';
import { ThresholdFields } from './ThresholdFields';
import { lineFault, linesOf, withLines } from './thresholds';

type Spec = Schemas['HealthPolicySpec'];

/** When a failing connection is down and its incident gets a ticket, and what follows. */
export function Page() {
  const query = useQuery(policyQuery);
  return <Load query={query}>{({ value, etag }) => <Form key={etag} was={value} etag={etag} />}</Load>;
}

const lengths = [
  ['due', 'A ticket is due after', '21d', 'Zero incidents: none stays open for ever.'],
  ['escalate_due', 'Escalate reminders from', '3d', 'Before the due date.'],
  ['overdue', 'Remind when overdue, each', '7d', ''],
  ['reopen', 'A recurrence reopens within', '7d', 'After its end; later it is a new incident.'],
  ['flap_window', 'Flapping is measured over', '6h', ''],
  ['shared_window', 'Failures alike may be one cause within', '24h', ''],
] as const;

const numbers = [
  ['recovery', 'Successes that end an incident', 2, 1, 1],
  ['flap_changes', 'Changes that make it flapping', 4, 1, 2],
  ['levels', 'Levels of escalation', 3, 1, 1],
  ['shared_sources', 'One cause of so many sources', 3, 1, 2],
  ['shared_connections', 'And of so many connections', 5, 1, 1],
  ['shared_fraction', "And of this share of the connector's", 0.1, 0.05, 0],
] as const;

function Form({ was, etag }: { was: Spec; etag: string }) {
  const may = useMay('edit');
  const [own, setSpec] = useState<Spec>(was);
  const [lines, setLines] = useState(() => linesOf(was));
  const spec = withLines(own, lines);
  const set = (change: { [K in keyof Spec]?: Spec[K] | undefined }) => setSpec(Object.fromEntries(Object.entries({ ...own, ...change }).filter(([, v]) => v !== undefined && v !== '')));
  const save = useChange(
    ['settings'],
    () => body(api.PUT('/api/v1/health/policy', { params: { header: { 'If-Match': etag } }, body: spec })),
    'The policy holds from now on',
  );
  const changed = JSON.stringify(own) !== JSON.stringify(was) || JSON.stringify(lines) !== JSON.stringify(linesOf(was));
  const down = (change: Schemas['ThresholdSpec']) => {
    const next = Object.fromEntries(Object.entries({ ...spec.down, ...change }).filter(([, v]) => v !== undefined && v !== ''));
    set({ down: Object.keys(next).length > 0 ? next : undefined });
  };
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate();
      }}
    >
      <fieldset disabled={!may} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
        <Section title="Down" summary="Then its incident gets a ticket">
          <div className="row wrap" style={{ alignItems: 'flex-start' }}>
            <TextInput w={220} label="After it has failed for" placeholder="48h" error={faultAt(save.error, 'down.after')} value={spec.down?.after ?? ''} onChange={(e) => down({ after: e.currentTarget.value })} />
            <NumberInput w={220} label="Or so often in a row" placeholder="no limit" min={1} value={spec.down?.failures ?? ''} onChange={(v) => down({ ...(typeof v === 'number' ? { failures: v } : { failures: undefined }) })} />
          </div>
          <ThresholdFields lines={lines} onChange={setLines} error={save.error} />
        </Section>
        <Section title="Times">
          <div className="row wrap" style={{ alignItems: 'flex-start' }}>
            {lengths.map(([key, label, otherwise, hint]) => (
              <TextInput key={key} w={260} label={label} description={hint || undefined} inputWrapperOrder={['label', 'input', 'description']} placeholder={otherwise} error={faultAt(save.error, key)} value={spec[key] ?? ''} onChange={(e) => set({ [key]: e.currentTarget.value })} />
            ))}
            <TagsInput w={528} label="Remind before the due date" error={faultAt(save.error, 'remind')} placeholder={spec.remind?.length ? undefined : '7d, 3d, 1d'} value={spec.remind ?? []} onChange={(v) => set({ remind: v.length > 0 ? v : undefined })} />
          </div>
        </Section>
        <Section title="Counts">
          <div className="row wrap" style={{ alignItems: 'flex-start' }}>
            {numbers.map(([key, label, otherwise, step, min]) => (
              <NumberInput key={key} w={260} label={label} placeholder={String(otherwise)} error={faultAt(save.error, key)} step={step} min={min} value={spec[key] ?? ''} onChange={(v) => set({ [key]: typeof v === 'number' ? v : undefined })} />
            ))}
          </div>
        </Section>
      </fieldset>
      {may && (
        <div className="row" style={{ paddingTop: 20 }}>
          <Button type="submit" loading={save.isPending} disabled={!changed || lines.some((l) => lineFault(l, lines) !== undefined)}>
            Save
          </Button>
          <CopyAs call={{ method: 'PUT', path: '/api/v1/health/policy', body: spec }} />
        </div>
      )}
    </form>
  );
}

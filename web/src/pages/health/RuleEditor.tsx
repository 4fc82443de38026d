import { Button, Checkbox, Modal, MultiSelect, NumberInput, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body, bodyAndTag } from '../../api/client';
import { endsQuery } from '../../api/outward';
import { CopyAs } from '../../ui/CopyAs';
import { faultAt, useChange } from '../../ui/useChange';
import { severities } from './causes';
import { FilterFields } from './FilterFields';
import { cleanRule, ruleKinds, type Rule, type RuleSpec } from './rules';

/** What people set of a rule. */
const specOf = (r: Rule): RuleSpec => {
  const made = new Set(['id', 'created_at', 'created_by', 'updated_at']);
  return Object.fromEntries(Object.entries(r).filter(([k]) => !made.has(k))) as RuleSpec;
};

/** Makes a rule, or changes one. Which settings there are follows its kind. */
export function RuleEditor({ was, onClose }: { was: Rule | undefined; onClose: () => void }) {
  const channels = useQuery(endsQuery('channels'));
  const [spec, setSpec] = useState<RuleSpec>(was ? specOf(was) : { name: '', kind: 'connection_health', states: ['down'], enabled: true });
  const kind = ruleKinds[spec.kind];
  const set = (change: { [K in keyof RuleSpec]?: RuleSpec[K] | undefined }) => setSpec({ ...spec, ...change });
  const has = (field: string) => (kind.needs as string[]).includes(field) || (kind.may as string[]).includes(field);
  const needs = (field: string) => (kind.needs as string[]).includes(field);
  const clean = cleanRule(spec);
  const save = useChange(
    ['alerts'],
    async () => {
      if (!was) return body(api.POST('/api/v1/alert-rules', { body: clean }));
      const { etag } = await bodyAndTag(api.GET('/api/v1/alert-rules/{rule}', { params: { path: { rule: was.id } } }));
      // What was taken away is said as null.
      const gone = Object.fromEntries(Object.keys(specOf(was)).filter((k) => !(k in clean)).map((k) => [k, null]));
      return body(api.PATCH('/api/v1/alert-rules/{rule}', { params: { path: { rule: was.id }, header: { 'If-Match': etag } }, body: { ...gone, ...clean } }));
    },
    was ? `The rule ${clean.name} is changed` : `The rule ${clean.name} is made`,
    onClose,
  );
  const remove = useChange(['alerts'], () => body(api.DELETE('/api/v1/alert-rules/{rule}', { params: { path: { rule: was!.id } } })), `The rule is gone, and its alerts with it`, onClose);
  return (
    <Modal opened onClose={onClose} title={was ? `Rule ${was.name}` : 'New rule'} size="lg">
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <TextInput label="Name" value={spec.name} onChange={(e) => set({ name: e.currentTarget.value })} required data-autofocus />
        <Select label="Fires when" data={Object.entries(ruleKinds).map(([value, k]) => ({ value, label: k.title }))} value={spec.kind} onChange={(v) => v && set({ kind: v as RuleSpec['kind'] })} allowDeselect={false} />
        {has('states') && <MultiSelect label="Health" required data={[{ value: 'degraded', label: 'Degraded' }, { value: 'down', label: 'Down' }, { value: 'needs_action', label: 'Needs action' }]} value={spec.states ?? []} onChange={(states) => set({ states })} />}
        {has('above') && <NumberInput label={kind.above ?? 'Threshold'} required={needs('above')} min={0} step={spec.kind === 'failing_share' ? 0.05 : 1} value={spec.above ?? ''} error={faultAt(save.error, 'above')} onChange={(v) => set({ above: typeof v === 'number' ? v : undefined })} />}
        {has('at_least') && <NumberInput label="And so many connections at least" min={1} value={spec.at_least ?? ''} error={faultAt(save.error, 'at_least')} onChange={(v) => set({ at_least: typeof v === 'number' ? v : undefined })} />}
        {has('objective') && <NumberInput label="Objective" description="The share of time that is promised, such as 0.995." required min={0} max={1} step={0.001} value={spec.objective ?? ''} error={faultAt(save.error, 'objective')} onChange={(v) => set({ objective: typeof v === 'number' ? v : undefined })} />}
        {has('window') && <TextInput label="Measured over" placeholder="24h" required value={spec.window ?? ''} error={faultAt(save.error, 'window')} onChange={(e) => set({ window: e.currentTarget.value })} />}
        {has('age') && <TextInput label={kind.age ?? 'For'} placeholder="1h" required={needs('age')} value={spec.age ?? ''} error={faultAt(save.error, 'age')} onChange={(e) => set({ age: e.currentTarget.value })} />}
        {has('by') && <Select label="Fires for" data={[{ value: '', label: 'All together' }, { value: 'connector', label: 'Each connector' }, { value: 'team', label: 'Each team' }, { value: 'region', label: 'Each region' }]} value={spec.by ?? ''} onChange={(v) => set({ by: v || undefined })} allowDeselect={false} />}
        <FilterFields value={spec.filter} onChange={(filter) => set({ filter })} />
        <div className="row" style={{ alignItems: 'flex-start' }}>
          <TextInput className="grow" label="Must hold for" placeholder="at once" value={spec.for ?? ''} error={faultAt(save.error, 'for')} onChange={(e) => set({ for: e.currentTarget.value })} />
          <TextInput className="grow" label="Is over when it did not hold for" placeholder="at once" value={spec.clear ?? ''} error={faultAt(save.error, 'clear')} onChange={(e) => set({ clear: e.currentTarget.value })} />
        </div>
        <Select label="Severity" data={[{ value: '', label: "The incident's, or else sev 3" }, ...Object.entries(severities).map(([value, s]) => ({ value, label: s.word }))]} value={spec.severity ?? ''} onChange={(v) => set({ severity: v || undefined })} allowDeselect={false} />
        <MultiSelect label="Channels" description="None: as the routes say." data={(channels.data ?? []).map((c) => ({ value: c.id, label: c.name }))} value={spec.channels ?? []} onChange={(v) => set({ channels: v })} />
        <Checkbox label="On" checked={spec.enabled !== false} onChange={(e) => set({ enabled: e.currentTarget.checked })} />
        <div className="row wrap">
          <Button type="submit" loading={save.isPending} disabled={spec.name.trim() === ''}>
            {was ? 'Save' : 'Make the rule'}
          </Button>
          <CopyAs call={{ method: was ? 'PATCH' : 'POST', path: was ? `/api/v1/alert-rules/${was.id}` : '/api/v1/alert-rules', body: clean }} />
          {was && (
            <Button variant="subtle" color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Delete the rule
            </Button>
          )}
        </div>
      </form>
    </Modal>
  );
}

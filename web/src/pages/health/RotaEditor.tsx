import { Button, Checkbox, Modal, MultiSelect, NumberInput, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, asApiError, body, bodyAndTag, type Schemas } from '../../api/client';
import { keys } from '../../api/keys';
import { CopyAs } from '../../ui/CopyAs';
import { ErrorState, LoadingState } from '../../ui/States';
import { useNow } from '../../ui/Time';
import { IconPlus, IconTrash } from '../../ui/icons';
import { useChange } from '../../ui/useChange';
import classes from './Rota.module.css';
import { RotaCalendar } from './RotaCalendar';
import { fromLocal, toLocal } from './causes';
import { daysFrom, firstPlan, monday } from './shifts';

type Plan = Schemas['RotaPlan'];
type Layer = Schemas['RotaLayer'];

const zoneHere = Intl.DateTimeFormat().resolvedOptions().timeZone;
const dayOf = (at: Date) => toLocal(at.toISOString()).slice(0, 10);
const today = () => dayOf(new Date());

/** Makes a rota or changes one; the calendar below shows at once what comes of it. */
export function RotaEditor({ was, onClose }: { was: Schemas['Rota'] | undefined; onClose: () => void }) {
  const [name, setName] = useState(was?.name ?? '');
  const [enabled, setEnabled] = useState(was?.enabled ?? true);
  const [plan, setPlan] = useState<Plan>(was?.plan ?? firstPlan(zoneHere, dayOf(monday(new Date()))));
  const set = (change: Partial<Plan>) => setPlan({ ...plan, ...change });
  const people = plan.people.map((p) => ({ value: p.id, label: p.name ? `${p.name} (${p.id})` : p.id }));
  const spec: Schemas['RotaSpec'] = { name: name.trim(), enabled, plan };
  const save = useChange(
    ['rota'],
    async () => {
      if (!was) return body(api.POST('/api/v1/rotas', { body: spec }));
      const { etag } = await bodyAndTag(api.GET('/api/v1/rotas/{rota}', { params: { path: { rota: was.id } } }));
      return body(api.PATCH('/api/v1/rotas/{rota}', { params: { path: { rota: was.id }, header: { 'If-Match': etag } }, body: spec }));
    },
    'The rota holds from now on',
    onClose,
  );
  const remove = useChange(['rota'], () => body(api.DELETE('/api/v1/rotas/{rota}', { params: { path: { rota: was!.id } } })), 'The rota is gone', onClose);
  return (
    <Modal opened onClose={onClose} title={was ? `Change ${was.name}` : 'New rota'} size={960}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <div className="row" style={{ alignItems: 'flex-end' }}>
          <TextInput className="grow" label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} required data-autofocus />
          <Checkbox label="On: incidents are assigned by it" checked={enabled} onChange={(e) => setEnabled(e.currentTarget.checked)} pb={8} />
        </div>
        <People plan={plan} set={set} />
        {plan.levels.map((level, n) => {
          const put = (change: Partial<Plan['levels'][number]>) => set({ levels: plan.levels.map((l, i) => (i === n ? { ...l, ...change } : l)) });
          return (
            <fieldset key={n} className={`${classes.group} stack`}>
              <legend>Level {n + 1}</legend>
              <div className={classes.fields}>
                <TextInput label="Name" value={level.name} onChange={(e) => put({ name: e.currentTarget.value })} required />
                <Checkbox label="Somebody, always" checked={level.full_cover ?? false} onChange={(e) => put({ full_cover: e.currentTarget.checked })} pb={8} />
                <Remove what={`level ${level.name}`} onRemove={() => set({ levels: plan.levels.filter((_, i) => i !== n) })} />
              </div>
              {level.layers.map((layer, m) => (
                <LayerFields key={m} layer={layer} people={people} onChange={(l) => put({ layers: level.layers.map((o, i) => (i === m ? l : o)) })} onRemove={() => put({ layers: level.layers.filter((_, i) => i !== m) })} />
              ))}
              <Add what="Add a layer" onAdd={() => put({ layers: [...level.layers, { name: `layer ${level.layers.length + 1}`, zone: zoneHere, people: [], start: today(), handover: '09:00', turn: 'daily' }] })} />
            </fieldset>
          );
        })}
        <Add what="Add a level" onAdd={() => set({ levels: [...plan.levels, { name: plan.levels.length === 0 ? 'on call' : 'managers', layers: [] }] })} />
        <Exceptions plan={plan} set={set} people={people} />
        <Preview plan={plan} />
        <div className="row wrap">
          <Button type="submit" loading={save.isPending} disabled={name.trim() === ''}>
            {was ? 'Save' : 'Make the rota'}
          </Button>
          <CopyAs call={{ method: was ? 'PATCH' : 'POST', path: was ? `/api/v1/rotas/${was.id}` : '/api/v1/rotas', body: spec }} />
          {was && (
            <Button variant="subtle" color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Delete the rota
            </Button>
          )}
        </div>
      </form>
    </Modal>
  );
}

interface PartProps {
  plan: Plan;
  set: (change: Partial<Plan>) => void;
}

function People({ plan, set }: PartProps) {
  const put = (n: number, change: Partial<Plan['people'][number]>) => set({ people: plan.people.map((p, i) => (i === n ? { ...p, ...change } : p)) });
  return (
    <fieldset className={`${classes.group} stack`}>
      <legend>People</legend>
      {plan.people.map((p, n) => (
        <div key={n} className={classes.fields}>
          <TextInput label="Address or id" value={p.id} onChange={(e) => put(n, { id: e.currentTarget.value })} required />
          <TextInput label="Name" value={p.name ?? ''} onChange={(e) => put(n, { name: e.currentTarget.value })} />
          <TextInput label="Time zone" value={p.zone} onChange={(e) => put(n, { zone: e.currentTarget.value })} required />
          <Remove what={p.name || p.id} onRemove={() => set({ people: plan.people.filter((_, i) => i !== n) })} />
        </div>
      ))}
      <Add what="Add a person" onAdd={() => set({ people: [...plan.people, { id: '', zone: zoneHere }] })} />
    </fieldset>
  );
}

function LayerFields({ layer: l, people, onChange, onRemove }: { layer: Layer; people: { value: string; label: string }[]; onChange: (layer: Layer) => void; onRemove: () => void }) {
  const put = (change: Partial<Layer>) => onChange({ ...l, ...change });
  const hours = l.hours?.[0];
  return (
    <fieldset className={`${classes.group} stack`}>
      <legend>Layer {l.name}</legend>
      <div className={classes.fields}>
        <TextInput label="Name" value={l.name} onChange={(e) => put({ name: e.currentTarget.value })} required />
        <Select label="A turn lasts" data={[{ value: 'daily', label: 'A day' }, { value: 'weekly', label: 'A week' }]} value={l.turn ?? 'weekly'} onChange={(v) => put({ turn: (v ?? 'weekly') })} allowDeselect={false} />
        <NumberInput label="Times" min={1} value={l.every ?? 1} onChange={(v) => put({ every: typeof v === 'number' ? v : 1 })} />
        <TextInput label="Hand-over at" placeholder="09:00" value={l.handover ?? ''} onChange={(e) => put({ handover: e.currentTarget.value })} />
        <TextInput label={l.turn === 'daily' ? 'First turn' : 'First hand-over day'} type="date" value={l.start} onChange={(e) => put({ start: e.currentTarget.value })} required />
        <TextInput label="Time zone" value={l.zone} onChange={(e) => put({ zone: e.currentTarget.value })} required />
      </div>
      <MultiSelect label="People, in the order of their turns" data={people.filter((p) => p.value !== '')} value={l.people} onChange={(v) => put({ people: v })} />
      <div className={classes.fields}>
        <Checkbox label="Only at certain hours" checked={hours !== undefined} onChange={(e) => onChange(e.currentTarget.checked ? { ...l, hours: [{ from: '09:00', to: '17:00', days: ['mon', 'tue', 'wed', 'thu', 'fri'] }] } : withoutHours(l))} pb={8} />
        {hours && (
          <>
            <MultiSelect label="Days" data={['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']} value={hours.days ?? []} onChange={(v) => put({ hours: [{ ...hours, days: v }, ...l.hours!.slice(1)] })} />
            <TextInput label="From" value={hours.from} onChange={(e) => put({ hours: [{ ...hours, from: e.currentTarget.value }, ...l.hours!.slice(1)] })} />
            <TextInput label="To" value={hours.to} onChange={(e) => put({ hours: [{ ...hours, to: e.currentTarget.value }, ...l.hours!.slice(1)] })} />
          </>
        )}
        <Remove what={`layer ${l.name}`} onRemove={onRemove} />
      </div>
    </fieldset>
  );
}

function withoutHours(l: Layer): Layer {
  const rest = { ...l };
  delete rest.hours;
  return rest;
}

/** Days off, and who takes over for a while. */
function Exceptions({ plan, set, people }: PartProps & { people: { value: string; label: string }[] }) {
  const holidays = plan.holidays ?? [];
  const overrides = plan.overrides ?? [];
  return (
    <>
      <fieldset className={`${classes.group} stack`}>
        <legend>Overrides</legend>
        {overrides.map((o, n) => {
          const put = (change: Partial<typeof o>) => set({ overrides: overrides.map((x, i) => (i === n ? { ...x, ...change } : x)) });
          return (
            <div key={n} className={classes.fields}>
              <Select label="Level" data={plan.levels.map((l) => l.name)} value={o.level} onChange={(v) => put({ level: v ?? '' })} />
              <Select label="Person" data={people.filter((p) => p.value !== '')} value={o.person} onChange={(v) => put({ person: v ?? '' })} />
              <TextInput label="From" type="datetime-local" value={toLocal(o.from)} onChange={(e) => put({ from: fromLocal(e.currentTarget.value) ?? o.from })} />
              <TextInput label="To" type="datetime-local" value={toLocal(o.to)} onChange={(e) => put({ to: fromLocal(e.currentTarget.value) ?? o.to })} />
              <TextInput label="Why" value={o.reason ?? ''} onChange={(e) => put({ reason: e.currentTarget.value })} />
              <Remove what="this override" onRemove={() => set({ overrides: overrides.filter((_, i) => i !== n) })} />
            </div>
          );
        })}
        <Add what="Add an override" onAdd={() => set({ overrides: [...overrides, { level: plan.levels[0]?.name ?? '', person: plan.people[0]?.id ?? '', from: new Date().toISOString(), to: new Date(Date.now() + 8 * 3_600_000).toISOString() }] })} />
      </fieldset>
      <fieldset className={`${classes.group} stack`}>
        <legend>Holidays</legend>
        {holidays.map((h, n) => {
          const put = (change: Partial<typeof h>) => set({ holidays: holidays.map((x, i) => (i === n ? { ...x, ...change } : x)) });
          return (
            <div key={n} className={classes.fields}>
              <TextInput label="Name" value={h.name} onChange={(e) => put({ name: e.currentTarget.value })} required />
              <TextInput label="First day" description="2026-12-24, or 12-24 for each year" value={h.first} onChange={(e) => put({ first: e.currentTarget.value })} required />
              <TextInput label="Last day" value={h.last ?? ''} onChange={(e) => put({ last: e.currentTarget.value })} />
              <MultiSelect label="Of" description="Empty: of all." data={people.filter((p) => p.value !== '')} value={h.people ?? []} onChange={(v) => put({ people: v })} />
              <Remove what={h.name} onRemove={() => set({ holidays: holidays.filter((_, i) => i !== n) })} />
            </div>
          );
        })}
        <Add what="Add a holiday" onAdd={() => set({ holidays: [...holidays, { name: '', first: today() }] })} />
      </fieldset>
    </>
  );
}

/** The next two weeks of the plan as it is in the form; its faults are said where they are. */
function Preview({ plan }: { plan: Plan }) {
  const now = useNow(60_000);
  const first = monday(new Date(now));
  const days = daysFrom(first, 14);
  const end = daysFrom(first, 15).at(-1)!;
  const query = useQuery({
    queryKey: keys.one('rota', 'preview', plan),
    queryFn: ({ signal }) => body(api.POST('/api/v1/rota-previews', { body: { plan, from: first.toISOString(), to: end.toISOString() }, signal })),
    retry: false,
    placeholderData: (before) => before,
    gcTime: 10_000,
  });
  if (query.error) return <ErrorState error={asApiError(query.error)} what="The plan is not complete yet" />;
  if (!query.data) return <LoadingState lines={2} />;
  return (
    <>
      <RotaCalendar shifts={query.data} days={days} end={end} people={plan.people} now={now} label="What comes of it" />
      {(query.data.gaps?.length ?? 0) > 0 && <p className="dim">In the dashed times nobody is on call.</p>}
    </>
  );
}

function Add({ what, onAdd }: { what: string; onAdd: () => void }) {
  return (
    <div>
      <Button variant="default" size="compact-xs" h={26} leftSection={<IconPlus size={13} />} onClick={onAdd}>
        {what}
      </Button>
    </div>
  );
}

function Remove({ what, onRemove }: { what: string; onRemove: () => void }) {
  return (
    <div>
      <Button variant="subtle" color="gray" aria-label={`Remove ${what}`} onClick={onRemove}>
        <IconTrash size={14} aria-hidden />
      </Button>
    </div>
  );
}

import { Button, Fieldset, MultiSelect, TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { fleetQuery } from '../../api/fleet';
import { IconPlus } from '../../ui/icons';
import { labelsFrom, labelTexts } from '../../ui/labels';
import { choices, connectionChoices } from '../connections/rows';
import type { Filter } from './rules';

/** What a rule looks at: what has all that is given, of several in one field one. */
export function FilterFields({ value, onChange }: { value: Filter | undefined; onChange: (value: Filter | undefined) => void }) {
  const fleet = useQuery({ ...fleetQuery, enabled: value !== undefined }).data?.items ?? [];
  if (value === undefined)
    return (
      <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} leftSection={<IconPlus size={13} />} onClick={() => onChange({})}>
        Look only at some connections
      </Button>
    );
  const set = (change: Partial<Filter>) => onChange({ ...value, ...change });
  const known = (facet: string) => choices(fleet, facet).map((c) => c.value);
  return (
    <Fieldset legend="Looks only at what has all of these" className="stack">
      <MultiSelect label="Connections" searchable limit={50} data={connectionChoices(fleet, value.connections ?? [])} value={value.connections ?? []} onChange={(connections) => set({ connections })} />
      <div className="row" style={{ alignItems: 'flex-start' }}>
        <TagsInput className="grow" label="Connectors" data={known('connector')} value={value.connectors ?? []} onChange={(connectors) => set({ connectors })} acceptValueOnBlur />
        <TagsInput className="grow" label="Teams" data={known('team')} value={value.teams ?? []} onChange={(teams) => set({ teams })} acceptValueOnBlur />
        <TagsInput className="grow" label="Regions" data={known('region')} value={value.regions ?? []} onChange={(regions) => set({ regions })} acceptValueOnBlur />
      </div>
      <TagsInput label="Labels" placeholder={Object.keys(value.labels ?? {}).length === 0 ? 'env=prod' : undefined} data={known('label')} value={labelTexts(value.labels)} onChange={(texts) => set({ labels: labelsFrom(texts) })} acceptValueOnBlur />
      <Button variant="subtle" color="gray" size="compact-sm" style={{ alignSelf: 'flex-start' }} onClick={() => onChange(undefined)}>
        Look at everything
      </Button>
    </Fieldset>
  );
}

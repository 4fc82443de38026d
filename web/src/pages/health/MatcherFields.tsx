import { ActionIcon, Autocomplete, Button, Select, TagsInput } from '@mantine/core';
import { IconPlus, IconTrash } from '../../ui/icons';
import type { Matcher } from './matchers';

/** What alerts are told apart by; label.x is the connection's own label x. */
const labels = ['connection', 'team', 'connector', 'region', 'severity', 'rule', 'kind', 'destination', 'subject'];

/** Matchers, all of which must match; without any, everything does. */
export function MatcherFields({ value, onChange, least = 0 }: { value: readonly Matcher[]; onChange: (value: Matcher[]) => void; least?: 0 | 1 }) {
  return (
    <>
      {value.map((m, i) => (
        // Matchers have no name of their own: their place is who they are.
        <div key={i} className="row" style={{ alignItems: 'flex-end' }} role="group" aria-label={`Condition ${i + 1}`}>
          <Autocomplete label={i === 0 ? 'Alerts whose' : 'And whose'} data={labels} value={m.label} onChange={(label) => onChange(value.toSpliced(i, 1, { ...m, label }))} required w={140} placeholder="label.tier" />
          <Select aria-label="Is, or is not" data={[{ value: 'is', label: 'is' }, { value: 'not', label: 'is not' }]} value={m.not ? 'not' : 'is'} onChange={(v) => onChange(value.toSpliced(i, 1, v === 'not' ? { ...m, not: true } : { label: m.label, is: m.is }))} allowDeselect={false} w={84} />
          <TagsInput className="grow" label="One of" placeholder={m.is.length === 0 ? 'names; * is any text' : undefined} value={m.is} onChange={(is) => onChange(value.toSpliced(i, 1, { ...m, is }))} acceptValueOnBlur />
          {value.length > least && (
            <ActionIcon variant="subtle" color="gray" size={36} aria-label={`Take condition ${i + 1} away`} onClick={() => onChange(value.toSpliced(i, 1))}>
              <IconTrash size={15} />
            </ActionIcon>
          )}
        </div>
      ))}
      <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} leftSection={<IconPlus size={13} />} onClick={() => onChange([...value, { label: labels.find((l) => !value.some((m) => m.label === l)) ?? '', is: [] }])}>
        {value.length === 0 ? 'Take only some alerts' : 'One more condition'}
      </Button>
    </>
  );
}

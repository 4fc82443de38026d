import { TextInput } from '@mantine/core';
import { IconSearch } from '../../ui/icons';

/** A search within what is shown; it is not in the address. */
export function SearchField({ label, value, onChange }: { label: string; value: string; onChange: (text: string) => void }) {
  return <TextInput type="search" aria-label={label} placeholder={label} leftSection={<IconSearch size={14} />} value={value} onChange={(e) => onChange(e.currentTarget.value)} />;
}

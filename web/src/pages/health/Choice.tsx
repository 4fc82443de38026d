import { Select } from '@mantine/core';
import { useUrl } from '../../ui/useUrl';

interface Props {
  /** The name in the address. */
  name: string;
  label: string;
  /** What holds where the address says nothing. */
  otherwise: string;
  options: readonly { value: string; label: string }[];
}

/** One of several, in the address. */
export function Choice({ name, label, otherwise, options }: Props) {
  const [url, set] = useUrl();
  return (
    <Select
      aria-label={label}
      size="xs"
      w={160}
      data={[{ value: '', label: otherwise }, ...options]}
      value={url[name] ?? ''}
      onChange={(v) => set({ [name]: v ?? '' })}
      allowDeselect={false}
      comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
    />
  );
}

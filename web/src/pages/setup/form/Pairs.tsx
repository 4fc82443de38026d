import { ActionIcon, Button, TextInput } from '@mantine/core';
import type { FieldProps } from '@rjsf/utils';
import { useState } from 'react';
import { IconClose, IconPlus } from '../../../ui/icons';
import type { Config, JsonSchema } from '../model/schema';
import { useForm } from './context';
import classes from './form.module.css';

/** Names and texts: an object whose members are not known beforehand. */
export function Pairs({ schema, formData, onChange, fieldPathId, name }: FieldProps<Config>) {
  const { disabled, errors } = useForm();
  const s = schema as JsonSchema;
  const example = s.examples?.[0] && typeof s.examples[0] === 'object' ? Object.entries(s.examples[0] as Config)[0] : undefined;
  const [rows, setRows] = useState<[string, string][]>(() => Object.entries(formData ?? {}).map(([k, v]) => [k, String(v)]));
  const put = (next: [string, string][]) => {
    setRows(next);
    const filled = next.filter(([k]) => k.trim() !== '');
    onChange(filled.length === 0 ? undefined : Object.fromEntries(filled.map(([k, v]) => [k.trim(), v])), fieldPathId.path);
  };
  const label = s.title ?? name;
  return (
    <fieldset className={classes.list} id={fieldPathId.$id}>
      <legend>{label}</legend>
      {s.description && <p className={classes.help}>{s.description}</p>}
      {rows.map(([k, v], i) => (
        <div key={i} className="row">
          <TextInput aria-label={`${label}: name ${i + 1}`} placeholder={example?.[0] ?? 'name'} value={k} disabled={disabled} onChange={(e) => put(rows.map((r, j) => (j === i ? [e.currentTarget.value, r[1]] : r)))} className="grow" />
          <TextInput aria-label={`${label}: value ${i + 1}`} placeholder={example ? String(example[1]) : 'value'} value={v} disabled={disabled} onChange={(e) => put(rows.map((r, j) => (j === i ? [r[0], e.currentTarget.value] : r)))} className="grow" />
          <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${i + 1}`} onClick={() => put(rows.filter((_, j) => j !== i))}>
            <IconClose size={14} />
          </ActionIcon>
        </div>
      ))}
      {errors[fieldPathId.$id] && <p className={classes.wrong}>{errors[fieldPathId.$id]}</p>}
      <div>
        <Button variant="default" leftSection={<IconPlus size={14} />} disabled={disabled} onClick={() => setRows([...rows, ['', '']])}>
          Add
        </Button>
      </div>
    </fieldset>
  );
}

import { Button, NumberInput, PasswordInput, Select, Switch, TagsInput, Textarea, TextInput } from '@mantine/core';
import type { RegistryWidgetsType, WidgetProps } from '@rjsf/utils';
import { useState } from 'react';
import type { Config, JsonSchema } from '../model/schema';
import { isLong } from '../model/schema';
import classes from './form.module.css';
import { useForm } from './context';

type Props = WidgetProps<Config>;

/** What all inputs have: their label, help, error, and how their place in the settings is called. */
function useShared({ id, label, schema, required, placeholder }: Props) {
  const { errors, left, disabled } = useForm();
  const s = schema as JsonSchema;
  const example = s.examples?.[0];
  const shown = typeof s.default === 'string' || typeof s.default === 'number' ? String(s.default) : typeof example === 'string' || typeof example === 'number' ? `such as ${example}` : '';
  return {
    id,
    label,
    description: s.description,
    error: errors[id],
    withAsterisk: required,
    'aria-required': required || undefined,
    disabled,
    placeholder: placeholder || shown,
    onBlur: () => left(id),
    inputWrapperOrder: ['label', 'input', 'error', 'description'] as ('label' | 'input' | 'error' | 'description')[],
    size: 'sm' as const,
  };
}

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

function Text(props: Props) {
  const shared = useShared(props);
  const change = (v: string) => props.onChange(v === '' ? undefined : v);
  if (isLong(props.schema as JsonSchema)) return <Textarea {...shared} autosize minRows={3} maxRows={10} spellCheck={false} value={text(props.value)} onChange={(e) => change(e.currentTarget.value)} classNames={{ input: classes.mono }} />;
  return <TextInput {...shared} autoComplete="off" spellCheck={false} value={text(props.value)} onChange={(e) => change(e.currentTarget.value)} />;
}

function Num(props: Props) {
  const shared = useShared(props);
  const s = props.schema as JsonSchema;
  return <NumberInput {...shared} value={typeof props.value === 'number' || typeof props.value === 'string' ? props.value : ''} onChange={(v) => props.onChange(v === '' ? undefined : v)} min={s.minimum} max={s.maximum} clampBehavior="none" allowDecimal={s.type !== 'integer'} hideControls className={classes.short} />;
}

function Choice(props: Props) {
  const { placeholder, ...shared } = useShared(props);
  const s = props.schema as JsonSchema;
  const options = (s.enum ?? []).map(String);
  return <Select {...shared} className={classes.short} data={options} value={props.value === undefined ? null : String(props.value)} placeholder={s.default === undefined ? 'As it comes' : placeholder} onChange={(v) => props.onChange(v ?? undefined)} clearable clearButtonProps={{ 'aria-label': `Clear ${props.label}` }} />;
}

function Flag(props: Props) {
  const { id, label, description, error, disabled, onBlur } = useShared(props);
  const s = props.schema as JsonSchema;
  const on = typeof props.value === 'boolean' ? props.value : s.default === true;
  return <Switch id={id} label={label} description={description} error={error} disabled={disabled} onBlur={onBlur} checked={on} onChange={(e) => props.onChange(e.currentTarget.checked)} />;
}

/** A list of texts: Enter or a comma ends one. */
function Tags(props: Props) {
  const shared = useShared(props);
  const s = props.schema as JsonSchema;
  const example = Array.isArray(s.examples?.[0]) ? (s.examples[0] as unknown[]).map(String).join(', ') : '';
  const value = Array.isArray(props.value) ? (props.value as unknown[]).map(String) : [];
  return <TagsInput {...shared} value={value} placeholder={value.length === 0 ? (example ? `such as ${example}` : '') : undefined} onChange={(v) => props.onChange(v.length === 0 ? undefined : v)} splitChars={[',']} acceptValueOnBlur clearable clearButtonProps={{ 'aria-label': `Clear ${props.label}` }} />;
}

/** A secret: it can be set and replaced; what is kept is never shown, nor known here. */
function Secret(props: Props) {
  const shared = useShared(props);
  const { kept } = useForm();
  const path = props.id.replace(/^config\./, '');
  const [replace, setReplace] = useState(false);
  const change = (v: string) => props.onChange(v === '' ? undefined : v);
  if (kept.has(path) && !replace && props.value === undefined) {
    const reference = kept.get(path);
    return (
      <TextInput
        {...shared}
        readOnly
        value={reference ? reference : '••••••••••••'}
        aria-label={`${props.label}: set, and never shown`}
        rightSectionWidth={78}
        rightSection={
          <Button variant="subtle" size="compact-xs" onClick={() => setReplace(true)} disabled={shared.disabled} aria-label={`Replace ${props.label}`}>
            Replace
          </Button>
        }
      />
    );
  }
  const back = kept.has(path) && (
    <Button
      variant="subtle"
      size="compact-xs"
      className={classes.keep}
      onClick={() => {
        props.onChange(undefined);
        setReplace(false);
      }}
    >
      Keep the one that is set
    </Button>
  );
  const long = isLong(props.schema as JsonSchema);
  return (
    <div>
      {long ? (
        <Textarea {...shared} autoFocus={replace} autosize minRows={3} maxRows={8} spellCheck={false} autoComplete="off" value={text(props.value)} onChange={(e) => change(e.currentTarget.value)} classNames={{ input: classes.masked }} />
      ) : (
        <PasswordInput {...shared} autoFocus={replace} autoComplete="new-password" spellCheck={false} value={text(props.value)} onChange={(e) => change(e.currentTarget.value)} visibilityToggleButtonProps={{ 'aria-label': `Show ${props.label}` }} />
      )}
      {back}
    </div>
  );
}

export const widgets: RegistryWidgetsType<Config> = {
  TextWidget: Text,
  URLWidget: Text,
  EmailWidget: Text,
  TextareaWidget: Text,
  PasswordWidget: Secret,
  UpDownWidget: Num,
  SelectWidget: Choice,
  CheckboxWidget: Flag,
  tags: Tags,
  secret: Secret,
  number: Num,
};

import { withTheme } from '@rjsf/core';
import type { RJSFSchema, UiSchema } from '@rjsf/utils';
import { useMemo } from 'react';
import { fieldsInOrder, type Config, type FieldMessages, type JsonSchema } from '../model/schema';
import { FormContext, type FormState } from './context';
import { Pairs } from './Pairs';
import { ArrayFields, ArrayItem, Field, ObjectFields } from './templates';
import { asRjsf, validator } from './validate';
import { widgets } from './widgets';

const Themed = withTheme<Config, RJSFSchema>({
  widgets,
  fields: { pairs: Pairs },
  templates: { FieldTemplate: Field, ObjectFieldTemplate: ObjectFields, ArrayFieldTemplate: ArrayFields as never, ArrayFieldItemTemplate: ArrayItem },
});

/** Which widget draws what the schema says. */
export function uiOf(schema: JsonSchema): UiSchema<Config> {
  const ui: UiSchema<Config> = { 'ui:order': [...fieldsInOrder(schema).map(([name]) => name), '*'] };
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (field.writeOnly) ui[name] = { 'ui:widget': 'secret' };
    else if (field.type === 'integer' || field.type === 'number') ui[name] = { 'ui:widget': 'number' };
    else if (field.type === 'boolean') ui[name] = { 'ui:widget': 'checkbox' };
    else if (field.type === 'array' && field.items?.type === 'string') ui[name] = { 'ui:widget': 'tags' };
    else if (field.type === 'array' && field.items?.properties) ui[name] = { items: uiOf(field.items) };
    else if (field.type === 'object' && field.properties) ui[name] = uiOf(field);
    else if (field.type === 'object') ui[name] = { 'ui:field': 'pairs' };
  }
  return ui;
}

interface Props {
  schema: JsonSchema;
  value: Config;
  onChange: (value: Config) => void;
  errors: FieldMessages;
  kept: FormState['kept'];
  onLeft: (id: string) => void;
  disabled?: boolean;
}

/**
 * The settings of a connector as a form. It says nothing of errors by itself:
 * `errors` are shown at the fields whose ids they have. Ids are `config.` and the path.
 */
export function SchemaForm({ schema, value, onChange, errors, kept, onLeft, disabled = false }: Props) {
  const ui = useMemo(() => uiOf(schema), [schema]);
  const drawn = useMemo(() => asRjsf({ ...schema, title: undefined, description: undefined }), [schema]);
  const state = useMemo(() => ({ errors, kept, left: onLeft, disabled }), [errors, kept, onLeft, disabled]);
  return (
    <FormContext value={state}>
      <Themed
        tagName="div"
        schema={drawn}
        uiSchema={ui}
        formData={value}
        onChange={(e) => onChange(e.formData ?? {})}
        validator={validator}
        idPrefix="config"
        idSeparator="."
        noValidate
        noHtml5Validate
        showErrorList={false}
        experimental_defaultFormStateBehavior={{ emptyObjectFields: 'skipDefaults', requiredBooleanDefault: 'skip' }}
      >
        <></>
      </Themed>
    </FormContext>
  );
}

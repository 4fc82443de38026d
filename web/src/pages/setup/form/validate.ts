import { Validator } from '@cfworker/json-schema';
import type { RJSFSchema, ValidatorType } from '@rjsf/utils';
import type { Config, FieldMessages, JsonSchema } from '../model/schema';

type Schema = ConstructorParameters<typeof Validator>[0];

/** The validator that the form library asks; it interprets schemas, since the policy forbids to compile them. */
export const validator: ValidatorType<Config> = {
  isValid: (schema, data) => new Validator(schema as Schema, '2020-12').validate(data).valid,
  rawValidation: () => ({ errors: [] }),
  validateFormData: () => ({ errors: [], errorSchema: {} }),
};

/** What is wrong with settings, by the ids of the fields; secrets that are kept count as given. */
export function faultsOf(schema: JsonSchema, config: Config, kept: readonly string[]): FieldMessages {
  const out: FieldMessages = {};
  required(schema, config, kept, '', out);
  // Empty places of kept secrets must not count as missing.
  const { errors } = new Validator(withoutRequired(schema) as Schema, '2020-12', false).validate(config);
  for (const e of errors) {
    const id = `config${e.instanceLocation.replace(/^#/, '').replaceAll('/', '.')}`;
    if (id === 'config' || ['properties', 'items', 'additionalProperties', '$ref'].includes(e.keyword)) continue;
    out[id] ??= say(e.keyword, at(schema, e.instanceLocation));
  }
  return out;
}

function required(schema: JsonSchema, value: Config, kept: readonly string[], path: string, out: FieldMessages): void {
  for (const name of schema.required ?? []) if (value[name] === undefined && !kept.includes(path + name)) out[`config.${path}${name}`] = 'This is needed.';
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const inner = value[name];
    if (inner && typeof inner === 'object' && !Array.isArray(inner) && field.properties) required(field, inner as Config, kept, `${path}${name}.`, out);
  }
}

function withoutRequired(schema: JsonSchema): JsonSchema {
  const rest = { ...schema };
  delete rest.required;
  if (rest.properties) rest.properties = Object.fromEntries(Object.entries(rest.properties).map(([n, p]) => [n, withoutRequired(p)]));
  if (rest.items) rest.items = withoutRequired(rest.items);
  // A format that the validator does not know is the server's to judge.
  if (rest.format) delete rest.format;
  return rest;
}

function at(schema: JsonSchema, pointer: string): JsonSchema | undefined {
  return pointer
    .replace(/^#\/?/, '')
    .split('/')
    .filter(Boolean)
    .reduce<JsonSchema | undefined>((s, part) => s?.properties?.[part] ?? s?.items ?? (typeof s?.additionalProperties === 'object' ? s.additionalProperties : undefined), schema);
}

function say(keyword: string, field: JsonSchema | undefined): string {
  switch (keyword) {
    case 'type':
      return field?.type === 'integer' ? 'This must be a whole number.' : `This must be a ${field?.type ?? 'value'} of the right kind.`;
    case 'minimum':
    case 'maximum':
      return field?.minimum !== undefined && field.maximum !== undefined ? `This must be from ${field.minimum} to ${field.maximum}.` : keyword === 'minimum' ? `This must be at least ${field?.minimum}.` : `This must be at most ${field?.maximum}.`;
    case 'enum':
      return `This must be one of ${(field?.enum ?? []).join(', ')}.`;
    default:
      return 'This is not as the connector wants it.';
  }
}

export const asRjsf = (schema: JsonSchema): RJSFSchema => schema as unknown as RJSFSchema;

import type { Schemas } from '../../../api/client';

/** The part of JSON Schema (2020-12) that connectors describe their settings in. */
export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  format?: string;
  writeOnly?: boolean;
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  'x-order'?: string[];
}

export type Config = Record<string, unknown>;

/** The fields of an object in the order in which people meet them. */
export function fieldsInOrder(schema: JsonSchema): [string, JsonSchema][] {
  const all = Object.entries(schema.properties ?? {});
  const order = schema['x-order'] ?? [];
  const at = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return all.sort(([a], [b]) => at(a) - at(b));
}

/** Whether a text is shown as PEM, whose lines an input of one line would lose. */
export const isLong = (s: JsonSchema): boolean => s.type === 'string' && /\bPEM (text )?of\b|^PEM\b/.test(s.description ?? '');

const connecting = new Set(['url', 'base_url', 'host', 'port', 'database', 'user', 'password', 'token', 'path']);

export interface Group {
  /** Empty: what everyone fills in, shown at once. */
  title: string;
  names: string[];
}

/**
 * Parts the fields into those that everyone sees and groups that are folded:
 * `TLS`, groups that descriptions name (`CSV: …`), and what has a default that
 * is good for nearly all, from the first such field on.
 */
export function groupsOf(schema: JsonSchema): Group[] {
  const required = new Set(schema.required ?? []);
  const groups = new Map<string, string[]>([['', []]]);
  let rest = false;
  fieldsInOrder(schema).forEach(([name, field], i) => {
    const kind = /^([A-Z][A-Za-z]{1,11}): /.exec(field.description ?? '')?.[1] ?? (/^TLS\b/.test(field.title ?? '') ? 'TLS' : undefined);
    const basic = i === 0 || required.has(name) || connecting.has(name);
    if (!basic && !kind && field.default !== undefined) rest = true;
    const group = basic && !(rest && !required.has(name)) ? '' : (kind ?? (rest ? 'Advanced' : ''));
    groups.set(group, [...(groups.get(group) ?? []), name]);
  });
  const advanced = groups.get('Advanced');
  groups.delete('Advanced');
  if (advanced) groups.set('Advanced', advanced);
  return [...groups].map(([title, names]) => ({ title, names })).filter((g) => g.names.length > 0);
}

/** Paths of the secret fields: `api_key`, `app.private_key`. */
export function secretsOf(schema: JsonSchema, at = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => (field.writeOnly ? [at + name] : field.type === 'object' ? secretsOf(field, `${at}${name}.`) : []));
}

/** What is sent of what was filled in: nothing that is empty. */
export function clean(value: Config): Config {
  const out: Config = {};
  for (const [name, v] of Object.entries(value)) {
    const kept = cleanValue(v);
    if (kept !== undefined) out[name] = kept;
  }
  return out;
}

function cleanValue(v: unknown): unknown {
  if (v === undefined || v === null || v === '') return undefined;
  if (Array.isArray(v)) return v.length === 0 ? undefined : v.map((i) => cleanValue(i) ?? '');
  if (typeof v === 'object') {
    const inner = clean(v as Config);
    return Object.keys(inner).length === 0 ? undefined : inner;
  }
  return v;
}

/** The settings without what must not be kept by the browser or copied: secrets, also in lists. */
export function withoutSecrets(value: Config, schema: JsonSchema): Config {
  const out: Config = {};
  for (const [name, v] of Object.entries(value)) {
    const field = schema.properties?.[name];
    if (!field || field.writeOnly) continue;
    if (Array.isArray(v) && field.items?.properties) out[name] = v.map((i) => withoutSecrets(i as Config, field.items!));
    else out[name] = v && typeof v === 'object' && !Array.isArray(v) && field.properties ? withoutSecrets(v as Config, field) : v;
  }
  return out;
}

/** As withoutSecrets, with references to the environment in their places, to be copied. */
export function withPlaceholders(value: Config, schema: JsonSchema, connector: string, at = ''): Config {
  const out: Config = {};
  for (const [name, v] of Object.entries(value)) {
    const field = schema.properties?.[name];
    if (field?.writeOnly) out[name] = typeof v === 'string' && /^\$\{(env|file):.+\}$/.test(v) ? v : `\${env:${`${connector}_${at}${name}`.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}}`;
    else if (v && typeof v === 'object' && !Array.isArray(v) && field?.properties) out[name] = withPlaceholders(v as Config, field, connector, `${at}${name}_`);
    else if (Array.isArray(v) && field?.items?.properties) out[name] = v.map((i) => withoutSecrets(i as Config, field.items!));
    else out[name] = v;
  }
  return out;
}

/** What a merge patch must say to make `before` into `after`; secrets that were not touched are left out. */
export function patchOf(before: Config, after: Config, secrets: readonly string[], at = ''): Config {
  const out: Config = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, now] = [before[name], after[name]];
    if (JSON.stringify(old) === JSON.stringify(now)) continue;
    if (now === undefined) {
      if (!secrets.includes(at + name)) out[name] = null;
    } else if (isObject(old) && isObject(now)) out[name] = patchOf(old, now, secrets, `${at}${name}.`);
    else out[name] = now;
  }
  return out;
}

const isObject = (v: unknown): v is Config => typeof v === 'object' && v !== null && !Array.isArray(v);

/** Messages by the id of the field: `config.base_url`, `name`. */
export type FieldMessages = Record<string, string>;

/**
 * The fields that a failed check is about: those that its hint names, else those
 * that its message names, else the secrets where credentials were refused, else
 * those that say where the other side is.
 */
export function fieldsOf(failure: Pick<Schemas['Failure'], 'class' | 'message' | 'hint'>, schema: JsonSchema, config: Config): string[] {
  const names = fieldsInOrder(schema);
  const named = (text: string) => names.filter(([name, f]) => word(text, name, name.includes('_')) || (f.title && f.title.length > 3 && word(text, f.title.toLowerCase(), true))).map(([name]) => name);
  const byHint = named(failure.hint ?? '').filter((n) => config[n] !== undefined || schema.properties?.[n]?.default !== undefined || (schema.required ?? []).includes(n));
  if (byHint.length > 0) return byHint.slice(0, 2);
  const byMessage = named(failure.message);
  if (byMessage.length > 0) return byMessage.slice(0, 2);
  const given = (list: string[]) => list.filter((n) => config[n] !== undefined).slice(0, 1);
  if (failure.class === 'auth') return given([...['password', 'token', 'api_key'].filter((n) => schema.properties?.[n]), ...secretsOf(schema)]);
  return given(['url', 'base_url', 'host', 'path']);
}

/** Whether a text has a word. One-word names of fields must stand as such (`host`), as they are in sentences, too. */
function word(text: string, name: string, sure: boolean): boolean {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(sure ? `(^|[^\\w])${escaped}([^\\w]|$)` : `(\\bset (the )?|\\x60|")${escaped}([^\\w]|$)`, 'i').test(text);
}

/** What a problem of the API says about fields, by their ids; what is about none is under ''. */
export function fieldMessages(fields: readonly { location: string; message: string }[], schema?: JsonSchema): FieldMessages {
  const out: FieldMessages = {};
  for (const f of fields) {
    let id = f.location.replace(/^body\.?/, '').replaceAll(/\[(\d+)\]/g, '.$1');
    if (id === 'config' && schema) {
      const about = fieldsOf({ class: 'config', message: f.message, hint: '' }, schema, {})[0];
      id = about ? `config.${about}` : '';
    }
    out[id] = out[id] ? `${out[id]}; ${f.message}` : f.message;
  }
  return out;
}

import type { Call } from '../../../ui/write';
import type { EndpointForm } from '../form/useEndpointForm';
import type { Role } from './endpoints';
import { withPlaceholders, type Config } from './schema';

/** What a form would send, to be copied: references to the environment stand for the secrets. */
export function copies(role: Role, form: Pick<EndpointForm, 'existing' | 'kind' | 'name' | 'config' | 'patch' | 'kept'>): { call: Call; yaml: object } {
  const references: Config = {};
  for (const path of form.kept.keys()) put(references, path.split('.'), form.kept.get(path) ?? 'kept');
  const whole = withPlaceholders(merge(references, form.config), form.kind.schema, form.kind.name);
  const yaml = { kind: role, name: form.name.trim(), connector: form.kind.name, config: whole };
  const place = `/api/v1/${role}s`;
  if (!form.existing) return { call: { method: 'POST', path: place, body: { name: form.name.trim(), connector: form.kind.name, config: whole } }, yaml };
  const patch = form.patch();
  return { call: { method: 'PATCH', path: `${place}/${form.existing.id}`, body: { ...patch, config: withPlaceholders(patch.config, form.kind.schema, form.kind.name) } }, yaml };
}

function put(into: Config, [first, ...rest]: string[], value: string): void {
  if (first === undefined) return;
  if (rest.length === 0) into[first] = value;
  else put((into[first] ??= {}) as Config, rest, value);
}

function merge(a: Config, b: Config): Config {
  const out = { ...a };
  for (const [k, v] of Object.entries(b)) out[k] = v && typeof v === 'object' && !Array.isArray(v) && out[k] && typeof out[k] === 'object' ? merge(out[k] as Config, v as Config) : v;
  return out;
}

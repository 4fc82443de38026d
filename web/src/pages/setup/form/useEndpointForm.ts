import { useCallback, useMemo, useState } from 'react';
import { asApiError } from '../../../api/client';
import { sentence } from '../../../ui/States';
import type { Endpoint, Kind, Role } from '../model/endpoints';
import { clean, fieldMessages, fieldsOf, patchOf, secretsOf, type Config, type FieldMessages } from '../model/schema';
import { useCheck } from '../model/useCheck';
import { faultsOf } from './validate';

interface Start {
  role: Role;
  kind: Kind;
  /** What is kept, when it is changed; none: it is made. */
  existing?: Endpoint;
  name: string;
  config?: Config;
  /** Whether one only looks: nothing is tried. */
  passive?: boolean;
  /** Whether what is kept is tried, too, and not only what differs. */
  eager?: boolean;
}

/** The state of a form that makes or changes a source or a destination. */
export function useEndpointForm({ role, kind, existing, name: firstName, config: first, passive = false, eager = false }: Start) {
  const [name, setName] = useState(existing?.name ?? firstName);
  const [value, setValue] = useState<Config>(first ?? (existing?.config) ?? {});
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [tried, setTried] = useState(false);
  const [saveError, setSaveError] = useState<unknown>();

  const kept = useMemo(() => new Map((existing?.secrets ?? []).map((s) => [s.path, s.reference])), [existing]);
  const config = useMemo(() => clean(value), [value]);
  const secrets = useMemo(() => secretsOf(kind.schema), [kind]);
  const faults = useMemo(() => faultsOf(kind.schema, config, [...kept.keys()]), [kind, config, kept]);
  const touched = Object.keys(config).length > 0 || Object.keys(faults).length > 0 || existing !== undefined;
  const dirty = !existing || existing.name !== name.trim() || Object.keys(patchOf(existing.config, config, secrets)).length > 0;
  const { check, run } = useCheck({ role, connector: kind.name, config, ...(existing ? { id: existing.id } : {}), ready: !passive && touched && (dirty || eager) && Object.keys(faults).length === 0 });

  const errors = useMemo(() => {
    const out: FieldMessages = {};
    for (const [id, message] of Object.entries(faults)) if (tried || (left.has(id) && !message.startsWith('This is needed'))) out[id] = message;
    if (tried && name.trim() === '') out.name = 'This is needed.';
    if (check.phase === 'refused') Object.assign(out, fieldMessages(check.error.fields, kind.schema));
    if (check.phase === 'failed') for (const f of fieldsOf(check.failure, kind.schema, config)) out[`config.${f}`] = check.failure.hint || check.failure.message;
    if (saveError) Object.assign(out, fieldMessages(asApiError(saveError).fields, kind.schema));
    return Object.fromEntries(Object.entries(out).map(([id, text]) => [id, sentence(text)]));
  }, [faults, left, tried, name, check, saveError, kind, config]);

  const change = useCallback((next: Config) => {
    setSaveError(undefined);
    setValue(next);
  }, []);
  const onLeft = useCallback((id: string) => setLeft((before) => (before.has(id) ? before : new Set(before).add(id))), []);

  /** Whether it is filled in; else what is missing is marked, and the first of it gets the focus. */
  const complete = useCallback((): boolean => {
    setTried(true);
    const wrong = name.trim() === '' ? 'name' : Object.keys(faults)[0];
    if (!wrong) return true;
    requestAnimationFrame(() => document.getElementById(wrong)?.focus());
    return false;
  }, [faults, name]);

  return {
    role, kind, existing, name, config, value, errors, kept, check, dirty, trying: dirty || eager || check.phase !== 'idle', missing: Object.values(faults).filter((m) => m.startsWith('This is needed')).length,
    setName, setValue: change, onLeft, complete, runCheck: run, setSaveError, saveError,
    patch: () => ({ ...(existing && existing.name !== name.trim() ? { name: name.trim() } : {}), config: patchOf((existing?.config ?? {}), config, secrets) }),
  };
}

export type EndpointForm = ReturnType<typeof useEndpointForm>;

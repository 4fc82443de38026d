import { Button, Checkbox, Modal, Select, TextInput } from '@mantine/core';
import { useMemo, useState } from 'react';
import { asApiError, body, bodyAndTag } from '../../api/client';
import { sides, type End, type EndKind, type Side } from '../../api/outward';
import { CopyAs } from '../../ui/CopyAs';
import { ErrorState } from '../../ui/States';
import { useChange } from '../../ui/useChange';
import { SchemaForm } from '../setup/form/SchemaForm';
import { faultsOf } from '../setup/form/validate';
import { clean, fieldMessages, patchOf, secretsOf, withoutSecrets, type Config, type JsonSchema } from '../setup/model/schema';

interface Props {
  side: Side;
  kinds: readonly EndKind[];
  was: End | undefined;
  onClose: () => void;
}

/** Sets a channel or a tracker up, by the JSON Schema of its kind, or changes it. Secrets are set and replaced, never read back. */
export function EndEditor({ side, kinds, was, onClose }: Props) {
  const [name, setName] = useState(was?.name ?? '');
  const [kindName, setKindName] = useState(was?.kind ?? kinds[0]?.name ?? '');
  const [enabled, setEnabled] = useState(was?.enabled ?? true);
  const [value, setValue] = useState<Config>(was?.config ?? {});
  const [tried, setTried] = useState(false);
  const [refused, setRefused] = useState<unknown>();
  const schema = useMemo(() => (kinds.find((k) => k.name === kindName)?.config ?? {}) as JsonSchema, [kinds, kindName]);
  const kept = useMemo(() => new Map((was?.secrets ?? []).map((s) => [s.path, s.reference])), [was]);
  const config = useMemo(() => clean(value), [value]);
  const faults = useMemo(() => faultsOf(schema, config, [...kept.keys()]), [schema, config, kept]);
  const errors = { ...(tried ? faults : {}), ...(refused ? fieldMessages(asApiError(refused).fields, schema) : {}) };
  const patch = { ...(was && was.name !== name.trim() ? { name: name.trim() } : {}), ...(was && was.enabled !== enabled ? { enabled } : {}), config: patchOf(was?.config ?? {}, config, secretsOf(schema)) };
  const noun = side === 'channels' ? 'channel' : 'tracker';
  const save = useChange(
    ['channels'],
    async () => {
      try {
        if (!was) return await body(sides[side].create({ name: name.trim(), kind: kindName, enabled, config }));
        const { etag } = await bodyAndTag(sides[side].get(was.id));
        return await body(sides[side].update(was.id, etag, patch));
      } catch (e) {
        setRefused(e);
        throw e;
      }
    },
    was ? `The ${noun} is changed` : `The ${noun} is set up: send a test`,
    onClose,
  );
  const remove = useChange(['channels'], () => body<unknown>(sides[side].remove(was!.id)), `The ${noun} is gone`, onClose);
  const unplaced = refused !== undefined && Object.keys(fieldMessages(asApiError(refused).fields, schema)).length === 0;
  return (
    <Modal opened onClose={onClose} title={was ? `Change ${was.name}` : `New ${noun}`} size="lg">
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          setTried(true);
          setRefused(undefined);
          const wrong = Object.keys(faults)[0];
          if (wrong) document.getElementById(wrong)?.focus();
          else save.mutate();
        }}
      >
        <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} required data-autofocus autoComplete="off" />
        <Select
          label="Kind"
          data={kinds.map((k) => ({ value: k.name, label: k.title }))}
          value={kindName}
          disabled={was !== undefined}
          allowDeselect={false}
          onChange={(v) => {
            if (!v) return;
            setKindName(v);
            setValue({});
            setTried(false);
          }}
        />
        <SchemaForm key={kindName} schema={schema} value={value} onChange={setValue} errors={errors} kept={kept} onLeft={() => {}} />
        <Checkbox label="On" checked={enabled} onChange={(e) => setEnabled(e.currentTarget.checked)} />
        {unplaced && <ErrorState error={refused} what="This was refused" />}
        <div className="row wrap">
          <Button type="submit" loading={save.isPending} disabled={name.trim() === ''}>
            {was ? 'Save' : `Set the ${noun} up`}
          </Button>
          <CopyAs call={was ? { method: 'PATCH', path: `/api/v1/${side}/${was.id}`, body: { ...patch, config: withoutSecrets(patch.config, schema) } } : { method: 'POST', path: `/api/v1/${side}`, body: { name: name.trim(), kind: kindName, enabled, config: withoutSecrets(config, schema) } }} />
          {was && (
            <Button variant="subtle" color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Delete the {noun}
            </Button>
          )}
        </div>
      </form>
    </Modal>
  );
}

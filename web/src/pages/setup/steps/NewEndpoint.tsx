import { Button } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { CopyAs } from '../../../ui/CopyAs';
import type { Url } from '../../../ui/useUrl';
import { StepFrame } from '../StepFrame';
import { EndpointFields } from '../form/EndpointFields';
import { useEndpointForm } from '../form/useEndpointForm';
import { useDraft } from '../model/draft';
import type { Endpoint, Kind, Role } from '../model/endpoints';
import { checkKept } from '../model/endpoints';
import { copies } from '../model/copies';
import { withoutSecrets } from '../model/schema';
import { useSave } from './useSave';

interface Props {
  side: Role;
  kind: Kind;
  existing?: Endpoint;
  /** A name that is free, for a new one. */
  name: string;
  title: string;
  back: Url;
  onSaved: (saved: Endpoint) => void;
}

/** The step in which a source or destination is filled in and tried; what is filled in is kept when one leaves. */
export function NewEndpoint({ side: role, kind, existing, name, title, back, onSaved }: Props) {
  const { draft, set } = useDraft();
  const begun = !existing && draft[role]?.kind === kind.name ? draft[role] : undefined;
  const form = useEndpointForm({ role, kind, existing, name: begun?.name ?? name, config: begun?.config, eager: existing !== undefined });
  const { saving, save } = useSave(form);
  const [busy, setBusy] = useState(false);
  const navigate = useNavigate();

  const kept = existing ? undefined : JSON.stringify({ kind: kind.name, name: form.name, config: withoutSecrets(form.config, kind.schema) });
  useEffect(() => {
    if (!kept) return;
    const timer = setTimeout(() => set({ [role]: JSON.parse(kept) as never }), 300);
    return () => clearTimeout(timer);
  }, [kept, role, set]);

  const next = async () => {
    if (!form.complete()) return;
    setBusy(true);
    try {
      if (!(await form.runCheck())) return;
      const saved = await save();
      if (!saved) return;
      // The kept object learns that it is connected; nothing waits for that.
      if (role === 'destination' || existing) void checkKept(role, saved.id).catch(() => undefined);
      set({ [role]: undefined });
      onSaved(saved);
    } finally {
      setBusy(false);
    }
  };
  const later = async () => {
    if (!form.complete()) return;
    const saved = await save();
    if (!saved) return;
    set({ [role]: undefined, at: undefined });
    await navigate({ to: role === 'source' ? '/sources' : '/destinations' });
  };

  return (
    <StepFrame
      title={title}
      lead="The check runs by itself while you fill this in. Secrets are kept encrypted and never shown again."
      back={back}
      next="Continue"
      busy={busy || (saving && busy)}
      onNext={() => void next()}
      more={
        <>
          <CopyAs {...copies(role, form)} />
          {role === 'source' && (
            <Button variant="default" onClick={() => void later()} loading={saving && !busy}>
              Save for later
            </Button>
          )}
        </>
      }
    >
      <EndpointFields form={form} />
    </StepFrame>
  );
}

import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { keys } from '../../../api/keys';
import { createEndpoint, endpointQuery, patchEndpoint, type Endpoint } from '../model/endpoints';
import type { EndpointForm } from '../form/useEndpointForm';

/** Saves what a form holds: makes it, or changes what differs. What fails is shown by the form. */
export function useSave(form: EndpointForm): { saving: boolean; save: () => Promise<Endpoint | undefined> } {
  const client = useQueryClient();
  const [saving, setSaving] = useState(false);
  const save = async () => {
    setSaving(true);
    form.setSaveError(undefined);
    try {
      let saved: Endpoint;
      if (!form.existing) saved = await createEndpoint(form.role, { name: form.name.trim(), connector: form.kind.name, config: form.config });
      else if (!form.dirty) return form.existing;
      else {
        const { etag } = client.getQueryData(endpointQuery(form.role, form.existing.id).queryKey) ?? { etag: '' };
        saved = await patchEndpoint(form.role, form.existing.id, form.patch(), etag);
      }
      const resource = form.role === 'source' ? 'sources' : 'destinations';
      await Promise.all([client.invalidateQueries({ queryKey: [resource] }), client.invalidateQueries({ queryKey: keys.list('audit') })]);
      return saved;
    } catch (cause) {
      form.setSaveError(cause);
      return undefined;
    } finally {
      setSaving(false);
    }
  };
  return { saving, save };
}

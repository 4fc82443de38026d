import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, body } from '../../api/client';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { ErrorCard } from '../../ui/ErrorCard';
import { ErrorState } from '../../ui/States';
import { plural } from '../../ui/format';
import { IconRefresh } from '../../ui/icons';

/** Asks the source what it offers now; the list is read anew when it has said so. */
export function Discover({ sourceId, connectionId }: { sourceId: string; connectionId: string }) {
  const client = useQueryClient();
  const mayAsk = useMay('edit');
  const [operation, setOperation] = useState<string>();
  const ask = useMutation({
    mutationFn: () => body(api.POST('/api/v1/sources/{source}/discover', { params: { path: { source: sourceId } } })),
    onSuccess: (o) => setOperation(o.id),
  });
  const at = useQuery({
    queryKey: keys.one('operations', operation ?? ''),
    queryFn: ({ signal }) => body(api.GET('/api/v1/operations/{operation}', { params: { path: { operation: operation! } }, signal })),
    enabled: operation !== undefined,
  }).data;
  const state = at?.state;
  useEffect(() => {
    if (state === 'succeeded') void client.invalidateQueries({ queryKey: keys.one('connections', connectionId) });
  }, [state, client, connectionId]);
  if (!mayAsk) return null;
  return (
    <>
      <span className="row">
        {state === 'running' && <span className="dim">{at?.total ? `${at.done} of ${plural(at.total, 'stream')}` : 'asking the source…'}</span>}
        <Button variant="default" leftSection={<IconRefresh size={14} />} loading={ask.isPending || state === 'running'} onClick={() => ask.mutate()}>
          Discover
        </Button>
      </span>
      {ask.error && <ErrorState error={ask.error} what="The source could not be asked" />}
      {state === 'failed' && at?.error && <ErrorCard failure={at.error} />}
    </>
  );
}

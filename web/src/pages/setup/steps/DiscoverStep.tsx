import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { api, body } from '../../../api/client';
import { keys } from '../../../api/keys';
import { ErrorCard } from '../../../ui/ErrorCard';
import { ErrorState, LoadingState, sentence } from '../../../ui/States';
import { Since } from '../../../ui/Time';
import { Meter } from '../../../ui/charts';
import { count, plural } from '../../../ui/format';
import { useUrl } from '../../../ui/useUrl';
import { StepFrame } from '../StepFrame';
import { cancelOperation, endpointQuery, operationQuery } from '../model/endpoints';
import classes from './steps.module.css';

/** Asks the source for its streams. The operation is in the address: who comes back sees how far it is. */
export function DiscoverStep() {
  const [url, set] = useUrl();
  const client = useQueryClient();
  const id = url.source ?? '';
  const source = useQuery(endpointQuery('source', id));
  const operation = useQuery(operationQuery(url.op ?? ''));
  const start = useMutation({
    mutationFn: () => body(api.POST('/api/v1/sources/{source}/discover', { params: { path: { source: id } } })),
    onSuccess: (o) => {
      client.setQueryData(keys.one('operations', o.id), o);
      set({ ...url, op: o.id });
    },
  });
  const begun = useRef(false);
  const { mutate } = start;
  useEffect(() => {
    if (url.op || begun.current) return;
    begun.current = true;
    mutate();
  }, [url.op, mutate]);

  const o = operation.data;
  const found = (o?.result as { streams?: number } | undefined)?.streams;
  const done = o?.state === 'succeeded';
  useEffect(() => {
    if (!done) return;
    void client.invalidateQueries({ queryKey: keys.one('sources', id, 'streams') });
    set({ ...url, step: 'streams', op: undefined });
    // Once, when it is done; the address as it then is.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [done]);

  const again = () => {
    start.reset();
    mutate();
  };
  const failed = o && (o.state === 'failed' || o.state === 'cancelled');
  return (
    <StepFrame title="Which data are there?" lead={<>Sluice asks {source.data ? <b>{source.data.value.name}</b> : 'the source'} what it has: names, columns and keys. Nothing is copied yet.</>} back={{ ...url, step: 'check', op: undefined }} next={failed || start.error ? 'Try again' : undefined} onNext={again} busy={start.isPending}>
      {start.error && <ErrorState error={start.error} what="The source could not be asked" />}
      {operation.error && <ErrorState error={operation.error} onRetry={() => void operation.refetch()} />}
      {!o && !start.error && !operation.error && <LoadingState lines={2} label="Asking the source" />}
      {o?.state === 'running' && (
        <div className={classes.discover} role="status">
          <Meter share={o.total > 0 ? o.done / o.total : null} label="Discovery" />
          <div className="row wrap">
            <span className="grow">
              {o.message ? sentence(o.message) : 'Asking the source.'} {o.total > 0 && <span className="num dim">{count(o.done)} of {plural(o.total, 'table')}</span>}
            </span>
            <span className="dim">
              <Since at={o.created_at} />
            </span>
            <Button variant="default" onClick={() => void cancelOperation(o.id)} disabled={o.cancel_requested}>
              {o.cancel_requested ? 'Ending' : 'Cancel'}
            </Button>
          </div>
          <p className="dim">You may leave: this goes on by itself, and this address shows how far it is.</p>
        </div>
      )}
      {o?.state === 'failed' && o.error && <ErrorCard failure={o.error} />}
      {o?.state === 'cancelled' && <p>The discovery was cancelled.</p>}
      {done && <p role="status">{plural(found ?? 0, 'stream')} found.</p>}
    </StepFrame>
  );
}

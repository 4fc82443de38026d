import { Button, Modal } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas } from '../../api/client';
import { ErrorState } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time, TimeAgo, useNow } from '../../ui/Time';
import { plural } from '../../ui/format';
import { namesQuery, roleWord } from './api';
import classes from './people.module.css';

type Token = Schemas['Token'];

/** Tokens with what they may do, when they were used, and a way to end them. */
export function TokenTable({ tokens, owners }: { tokens: readonly Token[]; owners?: ReadonlyMap<string, string> }) {
  const [asked, setAsked] = useState<Token>();
  const bound = tokens.some((t) => t.connections?.length);
  const names = useQuery({ ...namesQuery, enabled: bound });
  return (
    <div className={classes.frame} role="region" aria-label="Tokens" tabIndex={0}>
      <table className={classes.table}>
        <thead>
          <tr>
            <th scope="col">For what</th>
            {owners && <th scope="col">Whose</th>}
            <th scope="col">Role</th>
            <th scope="col">State</th>
            <th scope="col">Last used</th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span className="sr">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((t) => (
            <tr key={t.id}>
              <td>
                {t.name} <code className="dim">…{t.hint}</code>
              </td>
              {owners && <td>{t.user_id ? (owners.get(t.user_id) ?? t.user_id) : <span className="dim">the machine</span>}</td>}
              <td title={t.connections?.map((c) => names.data?.get(c) ?? c).join(', ')}>
                {roleWord(t.role)}
                {t.connections?.length ? <span className="dim"> on {plural(t.connections.length, 'connection')}</span> : ''}
              </td>
              <td>
                <TokenState token={t} />
              </td>
              <td title={t.last_used_ip ? `from ${t.last_used_ip}` : undefined}>
                <TimeAgo at={t.last_used_at} otherwise="never" />
              </td>
              <td>{t.revoked_at ? '–' : <Time at={t.expires_at} otherwise="never" />}</td>
              <td>
                {!t.revoked_at && (
                  <Button variant="subtle" color="red" size="compact-sm" onClick={() => setAsked(t)} aria-label={`Revoke ${t.name}`}>
                    Revoke
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {asked && <Revoke token={asked} onClose={() => setAsked(undefined)} />}
    </div>
  );
}

function TokenState({ token }: { token: Token }) {
  const now = useNow(60_000);
  const over = token.expires_at !== undefined && Date.parse(token.expires_at) < now;
  return <HealthBadge status="token" tone={token.revoked_at || over ? 'paused' : 'healthy'} word={token.revoked_at ? 'Revoked' : over ? 'Expired' : 'Works'} />;
}

function Revoke({ token, onClose }: { token: Token; onClose: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => api.DELETE('/api/v1/tokens/{token}', { params: { path: { token: token.id } } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['tokens'] });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Revoke ${token.name}?`}>
      <div className="stack">
        <p>
          Programs that use this token (…{token.hint}) are refused at once, for good. {token.last_used_at ? <>It was last used <TimeAgo at={token.last_used_at} />.</> : 'It was never used.'}
        </p>
        {revoke.error && <ErrorState error={revoke.error} what="It was not revoked" />}
        <div className={classes.end}>
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button color="red" loading={revoke.isPending} onClick={() => revoke.mutate()}>
            Revoke
          </Button>
        </div>
      </div>
    </Modal>
  );
}

import { Button, Switch } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useMay } from '../../api/me';
import { Filters } from '../../ui/Filters';
import { EmptyState, Load } from '../../ui/States';
import { IconKey, IconPlus } from '../../ui/icons';
import { useUrl } from '../../ui/useUrl';
import { NewToken } from './NewToken';
import { TokenTable } from './TokenTable';
import { tokensQuery, usersQuery } from './api';

/** API tokens: everyone's for those who manage people, else one's own. */
export function Page() {
  const may = useMay('manage');
  const [url, set] = useUrl();
  const tokens = useQuery(tokensQuery(may ? { all: true } : {}));
  const users = useQuery({ ...usersQuery, enabled: may });
  const [making, setMaking] = useState(false);
  const owners = may ? new Map((users.data ?? []).map((u) => [u.id, u.name || u.email])) : undefined;
  const q = (url.q ?? '').toLowerCase();
  const shown = (tokens.data ?? []).filter((t) => (url.revoked === 'yes' || !t.revoked_at) && [t.name, t.hint, owners?.get(t.user_id ?? '') ?? ''].some((x) => x.toLowerCase().includes(q)));
  const add = (
    <Button ml="auto" leftSection={<IconPlus size={14} />} onClick={() => setMaking(true)}>
      New token
    </Button>
  );
  return (
    <div style={{ paddingTop: 12 }}>
      <Filters search={{ label: 'Search tokens' }} filters={[]}>
        <Switch mt={6} label="Also revoked ones" checked={url.revoked === 'yes'} onChange={(e) => set({ revoked: e.currentTarget.checked ? 'yes' : undefined })} />
        {add}
      </Filters>
      <Load query={tokens}>
        {(all) =>
          shown.length > 0 ? (
            <TokenTable tokens={shown} owners={owners} />
          ) : (
            <EmptyState title={all.length === 0 ? 'No tokens yet' : 'No token is like this'} icon={<IconKey size={28} stroke={1.4} />}>
              {all.length === 0 ? 'Programs use the API with a token: it has a role, and can be for some connections only.' : 'Change the search, or look at revoked ones, too.'}
            </EmptyState>
          )
        }
      </Load>
      {making && <NewToken onClose={() => setMaking(false)} />}
    </div>
  );
}

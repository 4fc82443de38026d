import { Button, Menu, Modal } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body } from '../../api/client';
import type { Connection } from '../../api/connections';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { ErrorState, sentence } from '../../ui/States';
import { IconChevronDown, IconPause, IconPlay, IconRefresh, IconStop } from '../../ui/icons';
import { openSync } from './context';

type Action = 'sync' | 'force' | 'cancel' | 'pause' | 'resume';

/** Does it, and says what the server said of it. */
async function act(action: Action, connection: string): Promise<string> {
  const path = { path: { connection } };
  switch (action) {
    case 'sync':
      return (await body(api.POST('/api/v1/connections/{connection}/sync', { params: path }))).message;
    case 'force':
      return (await body(api.POST('/api/v1/connections/{connection}/sync', { params: { ...path, query: { force: true } } }))).message;
    case 'cancel':
      await body(api.POST('/api/v1/connections/{connection}/cancel', { params: path }));
      return 'the sync ends at its next safe point, within ten seconds';
    case 'pause':
      await body(api.POST('/api/v1/connections/{connection}/pause', { params: path }));
      return 'it is paused: no sync begins until someone resumes it';
    case 'resume':
      await body(api.POST('/api/v1/connections/{connection}/resume', { params: path }));
      return 'it runs by its schedule again';
  }
}

const failed: Record<Action, string> = { sync: 'No sync was started', force: 'The sync was not restarted', cancel: 'The sync was not cancelled', pause: 'It was not paused', resume: 'It was not resumed' };

/** What one can do to a connection. Nothing is shown as done before the server says so. */
export function Actions({ connection: c }: { connection: Connection }) {
  const client = useQueryClient();
  const mayRun = useMay('run', c.id);
  const [error, setError] = useState<{ action: Action; cause: unknown } | null>(null);
  const go = useMutation({
    mutationFn: (action: Action) => act(action, c.id),
    onSuccess: (said) => {
      notifications.show({ message: sentence(said), color: 'teal' });
      void client.invalidateQueries({ queryKey: keys.one('connections', c.id) });
      void client.invalidateQueries({ queryKey: ['syncs'] });
    },
    onError: (cause, action) => setError({ action, cause }),
  });
  if (!mayRun) return null;
  const sync = openSync(c);
  const busy = (action: Action) => go.isPending && go.variables === action;
  return (
    <>
      {c.paused ? (
        <Button variant="default" leftSection={<IconPlay size={14} />} loading={busy('resume')} onClick={() => go.mutate('resume')}>
          Resume
        </Button>
      ) : (
        <Button variant="default" leftSection={<IconPause size={14} />} loading={busy('pause')} onClick={() => go.mutate('pause')}>
          Pause
        </Button>
      )}
      {sync ? (
        <Button.Group>
          <Button variant="default" leftSection={<IconStop size={14} />} loading={busy('cancel')} disabled={sync.cancel_requested} onClick={() => go.mutate('cancel')}>
            {sync.cancel_requested ? 'Cancelling…' : 'Cancel sync'}
          </Button>
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" px={6} aria-label="More about the sync" loading={busy('force')}>
                <IconChevronDown size={14} />
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconRefresh size={14} />} onClick={() => go.mutate('force')}>
                Restart the sync
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Button.Group>
      ) : (
        <Button leftSection={<IconRefresh size={14} />} loading={busy('sync')} onClick={() => go.mutate('sync')}>
          Sync now
        </Button>
      )}
      <Modal opened={error !== null} onClose={() => setError(null)} title="The server said no">
        {error && <ErrorState error={error.cause} what={failed[error.action]} />}
      </Modal>
    </>
  );
}

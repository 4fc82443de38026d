import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { asApiError } from '../api/client';
import type { Resource } from '../api/keys';
import { sentence } from './States';

/** What an incident's changes make stale. */
export const ofIncidents: readonly Resource[] = ['incidents', 'tickets', 'wall'];

/**
 * A change over the API that is told of by a notification: by the words of `done`,
 * or by why it was refused. The resources that it makes stale are read anew.
 */
export function useChange<T = void>(stale: readonly Resource[], change: (input: T) => Promise<unknown>, done: string, after?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      notifications.show({ message: done });
      after?.();
      await Promise.all(stale.map((r) => client.invalidateQueries({ queryKey: [r] })));
    },
    onError: (cause) => {
      const e = asApiError(cause);
      notifications.show({ color: 'red', title: sentence(e.message), message: `${e.hint ? `${sentence(e.hint)} ` : ''}(${e.code})`, autoClose: 10_000 });
    },
  });
}

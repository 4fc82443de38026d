import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { asApiError } from '../../api/client';
import { sentence } from '../../ui/States';

/** A change of an incident: what comes of it is read anew, and what is refused is said. */
export function useIncidentChange<T = void>(change: (input: T) => Promise<unknown>, done: string, after?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      notifications.show({ message: done });
      after?.();
      await Promise.all(['incidents', 'tickets', 'wall'].map((r) => client.invalidateQueries({ queryKey: [r] })));
    },
    onError: (cause) => {
      const e = asApiError(cause);
      notifications.show({ color: 'red', title: sentence(e.message), message: `${e.hint ? `${sentence(e.hint)} ` : ''}(${e.code})`, autoClose: 10_000 });
    },
  });
}

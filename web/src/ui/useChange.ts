import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ApiError, asApiError } from '../api/client';
import type { Resource } from '../api/keys';
import { sentence } from './States';

/** What an incident's changes make stale. */
export const ofIncidents: readonly Resource[] = ['incidents', 'tickets', 'wall'];

/** Where the body of a request has a field: routes[0].repeat. */
const placeOf = (location: string): string => location.replace(/^body\.?/, '');

/** What a refused change says of a field, to be shown at it; the place is as in the body: routes[0].repeat. */
export function faultAt(error: unknown, place: string): string | undefined {
  const field = error instanceof ApiError ? error.fields.find((f) => placeOf(f.location) === place) : undefined;
  return field && sentence(field.message);
}

/** Why a change was refused and what to do: the fields that are wrong, or else the hint. */
function whyNot(e: ApiError): string {
  const why = e.fields.length > 0 ? e.fields.map((f) => `${placeOf(f.location)}: ${sentence(f.message)}`) : e.hint ? [sentence(e.hint)] : [];
  return [...why, `(${e.code})`].join(' ');
}

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
      notifications.show({ color: 'red', title: sentence(e.message), message: whyNot(e), autoClose: 10_000 });
    },
  });
}

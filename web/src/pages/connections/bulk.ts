import { api, asApiError, body, type ApiError } from '../../api/client';

/** What can be done to many connections at once. */
export type BulkAction =
  | { kind: 'sync' | 'pause' | 'resume' }
  /** A value of null takes the label off. */
  | { kind: 'label'; key: string; value: string | null };

export interface BulkItem {
  id: string;
  name: string;
}

export interface BulkResult extends BulkItem {
  /** undefined: under way. */
  done?: string;
  error?: ApiError;
}

const syncOne = async (connection: string): Promise<string> => (await body(api.POST('/api/v1/connections/{connection}/sync', { params: { path: { connection } } }))).message;

/** Does one action to one connection; what the server said of it. */
export async function actOn(action: BulkAction, connection: string): Promise<string> {
  const path = { params: { path: { connection } } };
  switch (action.kind) {
    case 'sync':
      return syncOne(connection);
    case 'pause':
      await body(api.POST('/api/v1/connections/{connection}/pause', path));
      return 'paused';
    case 'resume':
      await body(api.POST('/api/v1/connections/{connection}/resume', path));
      return 'resumed';
    case 'label':
      // A merge patch: null takes the label off, which the document's types do not say of maps.
      await body(api.PATCH('/api/v1/connections/{connection}', { ...path, body: { labels: { [action.key]: action.value } as Record<string, string> } }));
      return action.value === null ? `label ${action.key} removed` : `labelled ${action.key}=${action.value}`;
  }
}

/**
 * Does an action to many, a few at a time; `onResult` hears of each as it is done.
 * One that fails stops no other.
 */
export async function actOnAll(items: readonly BulkItem[], act: (item: BulkItem) => Promise<string>, onResult: (result: BulkResult) => void, atOnce = 6): Promise<void> {
  const queue = [...items];
  const work = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) {
      try {
        onResult({ ...item, done: await act(item) });
      } catch (cause) {
        onResult({ ...item, error: asApiError(cause) });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
}

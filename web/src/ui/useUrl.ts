import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

export type Url = Record<string, string | undefined>;

/**
 * The state of a view, which is in its address: filters, tabs, selected rows. What
 * is set to undefined or '' leaves the address. `push` adds to the history, which
 * is for what one goes back from (a row that was opened), not for filters.
 */
export function useUrl(): [Url, (change: Url, how?: { push?: boolean }) => void] {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const set = useCallback(
    (change: Url, how?: { push?: boolean }) => {
      void navigate({
        to: '.',
        search: (before: Url) => Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, v]) => v !== undefined && v !== '')),
        replace: !how?.push,
        resetScroll: false,
      });
    },
    [navigate],
  );
  return [search, set];
}

/** A list in the address: `a,b`. */
export const listOf = (text: string | undefined): string[] => (text ? text.split(',').filter(Boolean) : []);

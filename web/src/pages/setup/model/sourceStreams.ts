import { useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { api, body } from '../../../api/client';
import { keys } from '../../../api/keys';
import type { Offered } from './streams';

/** All streams of a source, page by page: of 10,000 the first are counted while the rest is read. */
export function useSourceStreams(source: string): { query: UseQueryResult<Offered[]>; read: number } {
  const client = useQueryClient();
  const [read, setRead] = useState(0);
  const load = useCallback(
    async ({ signal }: { signal: AbortSignal }) => {
      const items: Offered[] = [];
      let cursor: string | undefined;
      do {
        const page = await body(api.GET('/api/v1/sources/{source}/streams', { params: { path: { source }, query: { limit: 500, ...(cursor ? { cursor } : {}) } }, signal }));
        items.push(...page.items);
        setRead(items.length);
        cursor = page.next ?? undefined;
      } while (cursor);
      return items;
    },
    [source],
  );
  const query = useQuery({ queryKey: keys.one('sources', source, 'streams'), queryFn: load, enabled: source !== '', staleTime: 60_000 }, client);
  return { query, read };
}

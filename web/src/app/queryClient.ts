import { QueryClient } from '@tanstack/react-query';
import { asApiError } from '../api/client';

/**
 * Data are kept fresh by events, so nothing is polled and little is read twice;
 * what no event tells of is read anew when its page is opened after half a minute.
 */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      gcTime: 10 * 60_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => {
        const { status } = asApiError(error);
        return failures < 3 && (status === 0 || status === 429 || status >= 500);
      },
      retryDelay: (n) => Math.min(500 * 2 ** n, 8000),
      throwOnError: false,
    },
    mutations: { retry: false },
  },
});

/** The cursor of the page after one, for infinite queries; none after the last. */
export const nextPage = (last: { next?: string }): string | undefined => last.next ?? undefined;

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => Promise<unknown>;
}

/** Reads the next page of a list, if there is one and it is not being read. */
export function readMore(query: Pages): void {
  if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
}

import type { Schemas } from '../../api/client';

type Shape = Schemas['Shape'];

export interface ColumnDiff {
  name: string;
  change: 'added' | 'removed' | 'changed' | 'same';
  before?: string;
  after?: string;
}

export const typeText = (c: Schemas['Column']): string => `${c.type}${c.nullable ? '' : ' not null'}`;

/** What differs between two shapes of a stream; missing: there was none, or it is gone. */
export function shapeDiff(before: Shape | undefined, after: Shape | undefined): { columns: ColumnDiff[]; key?: { before: string; after: string } } {
  const was = new Map((before?.columns ?? []).map((c) => [c.name, typeText(c)]));
  const columns: ColumnDiff[] = (after?.columns ?? []).map((c) => {
    const old = was.get(c.name);
    was.delete(c.name);
    const now = typeText(c);
    if (old === undefined) return { name: c.name, change: 'added', after: now };
    return { name: c.name, change: old === now ? 'same' : 'changed', before: old, after: now };
  });
  for (const [name, old] of was) columns.push({ name, change: 'removed', before: old });
  const keys = [before?.key?.join(', ') ?? '', after?.key?.join(', ') ?? ''] as const;
  return { columns, ...(before && after && keys[0] !== keys[1] ? { key: { before: keys[0], after: keys[1] } } : {}) };
}

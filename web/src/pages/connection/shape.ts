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

/**
 * The shape that a stream would get by the change that a policy holds up. The API keeps
 * none of what never came in: its failure lists the changes, as in "the source now
 * needs: [add note string widen amount to decimal(12,2) relax city]". Nothing where the
 * list is not about this shape: that of a nested table, or one that has changed since.
 */
export function wantedShape(before: Shape, message: string): Shape | undefined {
  const list = /the source now needs: \[(.*)\];/.exec(message)?.[1];
  if (!list) return undefined;
  const columns = before.columns.map((c) => ({ ...c }));
  const rest = list.replace(/(?:^| )(?:add (\S+) (\S+)|widen (\S+) to (\S+)|relax (\S+))/g, (all, added?: string, type?: string, widened?: string, wide?: string, relaxed?: string) => {
    const column = columns.find((c) => c.name === (added ?? widened ?? relaxed));
    if (added !== undefined && type !== undefined && !column) columns.push({ name: added, type, nullable: true });
    else if (widened !== undefined && wide !== undefined && column) column.type = wide;
    else if (relaxed !== undefined && column) column.nullable = true;
    else return all;
    return '';
  });
  return rest === '' ? { ...before, columns } : undefined;
}

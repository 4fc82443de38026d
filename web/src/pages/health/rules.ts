import type { Schemas } from '../../api/client';

export type Rule = Schemas['AlertRule'];
export type RuleSpec = Schemas['RuleSpec'];
export type Filter = NonNullable<RuleSpec['filter']>;
type Field = 'states' | 'above' | 'at_least' | 'age' | 'by' | 'objective' | 'window';

/** What each kind of rule looks at, in words, and the settings that go with it: docs/alerts.md. */
export const ruleKinds: Record<RuleSpec['kind'], { title: string; needs: Field[]; may: Field[]; above?: string; age?: string }> = {
  connection_health: { title: 'A connection is not healthy', needs: ['states'], may: [] },
  freshness_delayed: { title: 'A connection is late', needs: [], may: ['age'], age: 'Late for' },
  failing_count: { title: 'So many connections fail', needs: ['above'], may: ['by'], above: 'Connections that fail' },
  failing_share: { title: 'So large a share of connections fails', needs: ['above'], may: ['at_least', 'by'], above: 'Share that fails, 0 to 1' },
  oldest_delay: { title: 'Some connection is late for long', needs: ['age'], may: ['by'], age: 'Late for' },
  error_budget_burn: { title: 'The error budget is lost too fast', needs: ['objective', 'window', 'above'], may: ['by'], above: 'Times too fast' },
  queue_depth: { title: 'Many syncs wait', needs: ['above'], may: [], above: 'Waiting syncs' },
  queue_age: { title: 'A sync waits for long', needs: ['age'], may: [], age: 'Due for' },
  worker_lost: { title: 'A worker fell silent', needs: ['age'], may: [], age: 'Silent for' },
  region_without_workers: { title: 'A region has no worker', needs: [], may: [] },
  ticket_due: { title: 'A ticket nears its due date', needs: [], may: ['age'], age: 'Due within' },
};

const empty = (v: unknown): boolean => v === undefined || v === '' || (typeof v === 'object' && v !== null && Object.keys(v).length === 0);

/** Of a filter what is filled in; nothing where nothing is. */
function cleanFilter(filter: Filter | undefined): Filter | undefined {
  const kept = Object.entries(filter ?? {}).filter(([, v]) => !empty(v));
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** Only what the kind takes, and of that what is filled in. */
export function cleanRule(spec: RuleSpec): RuleSpec {
  const kind = ruleKinds[spec.kind];
  const takes = new Set<string>(['name', 'kind', 'severity', 'for', 'clear', 'channels', 'filter', 'enabled', ...kind.needs, ...kind.may]);
  return Object.fromEntries(Object.entries({ ...spec, filter: cleanFilter(spec.filter) }).filter(([k, v]) => takes.has(k) && !empty(v))) as RuleSpec;
}

/** A rule in a line: what it fires for. */
export function ruleSummary(r: RuleSpec): string {
  const parts: string[] = [];
  if (r.states?.length) parts.push(r.states.map((s) => s.replace('_', ' ')).join(' or '));
  if (r.above !== undefined) parts.push(r.kind === 'failing_share' ? `${Math.round(r.above * 100)} % or more` : r.kind === 'error_budget_burn' ? `${r.above} times too fast` : `${r.above} or more`);
  if (r.objective !== undefined) parts.push(`objective ${(r.objective * 100).toFixed(2)} %`);
  if (r.window) parts.push(`over ${r.window}`);
  if (r.age) parts.push(`${ruleKinds[r.kind].age?.toLowerCase() ?? 'for'} ${r.age}`);
  if (r.by) parts.push(`by ${r.by}`);
  if (r.for) parts.push(`held for ${r.for}`);
  if (cleanFilter(r.filter)) parts.push('of some connections');
  return parts.join(', ');
}

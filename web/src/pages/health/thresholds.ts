import type { Schemas } from '../../api/client';

type Spec = Schemas['HealthPolicySpec'];
type Threshold = Schemas['ThresholdSpec'];

/** Whose thresholds a policy may set apart, in the order in which they count. */
export const scopes = { connections: 'Connection', connectors: 'Connector', severities: 'Severity' } as const;

export type Scope = keyof typeof scopes;

/** A threshold of its own, as a line of a form. */
export interface Line {
  scope: Scope;
  /** A connection's id, a connector's name, or sev1 to sev4. */
  of: string;
  threshold: Threshold;
}

/** The lines of a policy. */
export const linesOf = (spec: Spec): Line[] =>
  (Object.keys(scopes) as Scope[]).flatMap((scope) => Object.entries(spec[scope] ?? {}).map(([of, threshold]) => ({ scope, of, threshold })));

/** A policy with these lines in place of those that it had. */
export function withLines(spec: Spec, lines: readonly Line[]): Spec {
  const next: Spec = { ...spec };
  for (const scope of Object.keys(scopes) as Scope[]) {
    const mine = lines.filter((l) => l.scope === scope);
    if (mine.length > 0) next[scope] = Object.fromEntries(mine.map((l) => [l.of.trim(), l.threshold]));
    else delete next[scope];
  }
  return next;
}

/** Why a line cannot be kept, or nothing. */
export function lineFault(line: Line, lines: readonly Line[]): string | undefined {
  if (line.of.trim() === '') return 'Whose threshold is it?';
  if (lines.some((l) => l !== line && l.scope === line.scope && l.of.trim() === line.of.trim())) return 'There is another line for it.';
  if (!line.threshold.after && !line.threshold.failures) return 'Say after what time, or how many failures.';
  return undefined;
}

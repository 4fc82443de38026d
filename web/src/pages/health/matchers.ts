import type { Schemas } from '../../api/client';

export type Matcher = Schemas['MatcherSpec'];

/** A matcher as one writes it: team is growth or sales. */
export const matcherText = (m: Matcher): string => `${m.label} ${m.not ? 'is not' : 'is'} ${m.is.join(m.not ? ' nor ' : ' or ')}`;

/** Whether a matcher says what it looks at and for. */
export const complete = (m: Matcher): boolean => m.label.trim() !== '' && m.is.length > 0;

export type When = 'active' | 'coming' | 'over';

/** Where a silence stands at a time. One with weekly hours counts as active between them, too. */
export function whenOf(s: { starts_at?: string; ends_at?: string }, now: number): When {
  if (s.ends_at && Date.parse(s.ends_at) <= now) return 'over';
  return s.starts_at && Date.parse(s.starts_at) > now ? 'coming' : 'active';
}

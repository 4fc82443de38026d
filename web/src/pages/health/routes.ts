import type { Schemas } from '../../api/client';
import { complete } from './matchers';

export type Route = Schemas['RouteSpec'];

/** A list with what is at a place one earlier or later, as far as there is room. */
export function moved<T>(list: readonly T[], at: number, by: -1 | 1): T[] {
  const to = at + by;
  if (to < 0 || to >= list.length) return [...list];
  const out = [...list];
  [out[at], out[to]] = [out[to]!, out[at]!];
  return out;
}

/** A route as it is sent: without what was left empty. */
export function cleanRoute(r: Route): Route {
  const filled = Object.entries(r).filter(([, v]) => v !== undefined && v !== '' && v !== false && !(Array.isArray(v) && v.length === 0));
  return { ...Object.fromEntries(filled), name: r.name.trim(), channels: r.channels };
}

/** Why a route cannot be kept, or nothing. */
export function routeFault(r: Route, others: readonly string[]): string | undefined {
  if (r.name.trim() === '') return 'It has no name yet.';
  if (others.includes(r.name.trim())) return 'Another route has this name.';
  if (r.channels.length === 0) return 'It leads to no channel yet.';
  // Left out, an unfinished condition would let everything through.
  if (!(r.match ?? []).every(complete)) return 'A condition is not finished yet.';
  return undefined;
}

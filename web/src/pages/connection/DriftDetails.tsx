import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../../api/client';
import { ErrorCard } from '../../ui/ErrorCard';
import { Load } from '../../ui/States';
import { ShapeDiff } from './ShapeDiff';
import { syncQuery } from './queries';

/** What a drift is about: its shapes, or the failure that tells of it where there are none. */
export function DriftDetails({ drift }: { drift: Schemas['Drift'] }) {
  if (drift.before || drift.after) return <ShapeDiff before={drift.before} after={drift.after} />;
  return <Told drift={drift} />;
}

function Told({ drift }: { drift: Schemas['Drift'] }) {
  const query = useQuery(syncQuery(drift.sync_id));
  return <Load query={query} lines={2}>{(s) => (s.error ? <ErrorCard failure={s.error} compact /> : <p className="dim">The sync that saw it says no more about it.</p>)}</Load>;
}

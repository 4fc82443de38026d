import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { ErrorCard } from '../../ui/ErrorCard';
import { Load } from '../../ui/States';
import { streamName } from '../../ui/format';
import { ShapeDiff } from './ShapeDiff';
import { syncQuery } from './queries';

/** What a drift is about: its shapes before and after. */
export function DriftDetails({ drift }: { drift: Schemas['Drift'] }) {
  if (drift.before || drift.after) return <ShapeDiff before={drift.before} after={drift.after} />;
  return <HeldUp drift={drift} />;
}

/** A change that has no shapes, such as that of a nested table: the failure that tells of it. */
function HeldUp({ drift }: { drift: Schemas['Drift'] }) {
  const sync = useQuery(syncQuery(drift.sync_id));
  return (
    <Load query={sync} lines={2}>
      {(s) =>
        // A sync has one failure: it may be that of another stream that was held up, too.
        s.error?.stream === streamName(drift.stream) ? (
          <ErrorCard failure={s.error} compact />
        ) : (
          <p className="dim">
            What changed stands in{' '}
            <Link to="/connections/$id/logs" params={{ id: drift.connection_id }} search={{ sync: drift.sync_id, q: 'the stream failed' }}>
              the log of the sync
            </Link>
            .
          </p>
        )
      }
    </Load>
  );
}

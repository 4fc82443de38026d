import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { ErrorCard } from '../../ui/ErrorCard';
import { Load } from '../../ui/States';
import { streamName } from '../../ui/format';
import { ShapeDiff } from './ShapeDiff';
import { schemaHistoryQuery, syncQuery } from './queries';
import { wantedShape } from './shape';

/** What a drift is about: its shapes before and after. */
export function DriftDetails({ drift }: { drift: Schemas['Drift'] }) {
  if (drift.before || drift.after) return <ShapeDiff before={drift.before} after={drift.after} />;
  return <HeldUp drift={drift} />;
}

/** A change that the policy held up, against the shape that the stream had then; or the failure that tells of it. */
function HeldUp({ drift }: { drift: Schemas['Drift'] }) {
  const sync = useQuery(syncQuery(drift.sync_id));
  const versions = useQuery(schemaHistoryQuery(drift.connection_id, drift.stream));
  if (versions.isPending) return <Load query={versions} lines={2}>{() => null}</Load>;
  const before = versions.data?.find((v) => Date.parse(v.at) <= Date.parse(drift.at))?.shape;
  return (
    <Load query={sync} lines={2}>
      {(s) => {
        // A sync has one failure: it may be that of another stream that was held up, too.
        const failure = s.error?.stream === streamName(drift.stream) ? s.error : undefined;
        const after = before && failure ? wantedShape(before, failure.message) : undefined;
        if (after) return <ShapeDiff before={before} after={after} />;
        if (failure) return <ErrorCard failure={failure} compact />;
        return (
          <p className="dim">
            What changed stands in{' '}
            <Link to="/connections/$id/logs" params={{ id: drift.connection_id }} search={{ sync: drift.sync_id, q: 'the stream failed' }}>
              the log of the sync
            </Link>
            .
          </p>
        );
      }}
    </Load>
  );
}

import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { Schemas } from '../../api/client';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time } from '../../ui/Time';
import { bytes, duration, short } from '../../ui/format';
import { listOf, useUrl } from '../../ui/useUrl';
import { useConnection } from './context';
import { syncsQuery } from './queries';
import { triggerWords } from './timeline';

type Sync = Schemas['Sync'];
type Outcome = NonNullable<Sync['outcome']>;

const took = (s: Sync) => (s.started_at && s.ended_at ? duration(Date.parse(s.ended_at) - Date.parse(s.started_at)) : '–');

export function Page() {
  const c = useConnection();
  const [url] = useUrl();
  const navigate = useNavigate();
  const outcome = listOf(url.outcome)[0] as Outcome | undefined;
  const trigger = listOf(url.trigger)[0] as Sync['trigger'] | undefined;
  const query = useInfiniteQuery(syncsQuery(c.id, { ...(outcome ? { outcome } : {}), ...(trigger ? { trigger } : {}) }));
  const syncs = useMemo(() => query.data?.pages.flatMap((p) => p.items) ?? [], [query.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = useMemo(
    (): Column<Sync>[] => [
      { key: 'outcome', head: 'Outcome', width: '190px', cell: (s) => <HealthBadge status={s.outcome ?? s.state} /> },
      { key: 'began', head: 'Began', width: 'minmax(120px, 1fr)', cell: (s) => <Link to="/connections/$id/syncs/$sync" params={{ id: c.id, sync: s.id }} tabIndex={-1}><Time at={s.started_at ?? s.queued_at} /></Link> },
      { key: 'took', head: 'Took', width: '100px', align: 'right', cell: took },
      { key: 'rows', head: 'Rows', width: '90px', align: 'right', cell: (s) => short(s.rows) },
      { key: 'bytes', head: 'Size', width: '90px', align: 'right', cell: (s) => bytes(s.bytes), from: 760 },
      { key: 'attempts', head: 'Attempts', width: '80px', align: 'right', cell: (s) => s.attempts, from: 900 },
      { key: 'trigger', head: 'Started', width: 'minmax(130px, 1fr)', cell: (s) => triggerWords(s.trigger), from: 700 },
      { key: 'error', head: 'Error', width: 'minmax(140px, 2fr)', cell: (s) => (s.error ? <span title={s.error.message}><code>{s.error.code}</code></span> : s.rejected > 0 ? `${short(s.rejected)} rejected` : s.warnings > 0 ? `${short(s.warnings)} warnings` : ''), from: 820 },
    ],
    [c.id],
  );
  return (
    <>
      <div style={{ paddingTop: 12 }}>
        <Filters
          filters={[
            { name: 'outcome', label: 'Outcome', options: [{ value: 'failed', label: 'Failed' }, { value: 'succeeded', label: 'Succeeded' }, { value: 'succeeded_with_warnings', label: 'With warnings' }, { value: 'rescheduled', label: 'Rescheduled' }, { value: 'cancelled', label: 'Cancelled' }] },
            { name: 'trigger', label: 'Started', options: [{ value: 'schedule', label: 'By its schedule' }, { value: 'manual', label: 'By hand' }, { value: 'dependency', label: 'Dependency' }, { value: 'retry', label: 'Retry' }, { value: 'resync', label: 'Re-sync' }] },
          ]}
        />
      </div>
      <Load query={query}>
        {() => (
          <DataTable
            label="Syncs"
            rows={syncs}
            rowKey={(s) => s.id}
            columns={columns}
            total={hasNextPage ? -1 : syncs.length + 1}
            onEnd={onEnd}
            maxHeight="calc(100dvh - 230px)"
            onOpen={(s) => void navigate({ to: '/connections/$id/syncs/$sync', params: { id: c.id, sync: s.id } })}
            narrow={(s) => (
              <div>
                <div className="row">
                  <HealthBadge status={s.outcome ?? s.state} />
                  <span className="grow" />
                  <Time at={s.started_at ?? s.queued_at} />
                </div>
                <div className="dim cut">
                  {short(s.rows)} rows · {took(s)}
                  {s.error ? ` · ${s.error.code}` : ''}
                </div>
              </div>
            )}
            empty={<EmptyState title={outcome || trigger ? 'No sync is like that' : 'No syncs yet'}>{outcome || trigger ? 'Choose another outcome or start.' : 'Each run of this connection appears here.'}</EmptyState>}
          />
        )}
      </Load>
    </>
  );
}

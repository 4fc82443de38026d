import { Button } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { ConfirmPlan } from '../../ui/ConfirmPlan';
import { CopyAs } from '../../ui/CopyAs';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load, sentence } from '../../ui/States';
import { TimeAgo, TimeSeconds } from '../../ui/Time';
import { plural, streamName } from '../../ui/format';
import { useUrl } from '../../ui/useUrl';
import classes from './State.module.css';
import { useConnection } from './context';
import { lineDiff, originWords, stateWords } from './positions';
import { stateDiffQuery, stateHistoryQuery, statesQuery } from './queries';

type State = Schemas['State'];

export function Page() {
  const c = useConnection();
  const [url, set] = useUrl();
  const query = useQuery(statesQuery(c.id));
  return (
    <>
      <p className={classes.lead}>From here the next sync goes on, stream by stream. A former state can be compared and restored.</p>
      <Load query={query}>
        {(items) => {
          const chosen = items.find((s) => streamName(s.stream) === url.stream);
          if (items.length === 0) return <EmptyState title="Nothing has been read yet">After the first load, each stream’s position is here.</EmptyState>;
          return (
            <>
              <div className={classes.frame} role="region" aria-label="Current state" tabIndex={0}>
                <table className={classes.table}>
                  <thead>
                    <tr>
                      <th scope="col">Stream</th>
                      <th scope="col">Position</th>
                      <th scope="col">Since</th>
                      <th scope="col" data-wide>How</th>
                      <th scope="col">
                        <span className="sr">History</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((s) => {
                      const name = streamName(s.stream);
                      return (
                        <tr key={s.id} data-current={url.stream === name || undefined}>
                          <th scope="row">{name}</th>
                          <td className={classes.position}>{stateWords(s)}</td>
                          <td>
                            <TimeAgo at={s.at} />
                          </td>
                          <td data-wide className="dim">
                            {originWords(s)}
                          </td>
                          <td data-right>
                            <Button size="compact-xs" variant="default" aria-expanded={url.stream === name} onClick={() => set({ stream: url.stream === name ? undefined : name, from: undefined, to: undefined }, { push: true })}>
                              History
                            </Button>
                          </td>
                        </tr>
                      );
                    })}
                  </tbody>
                </table>
              </div>
              {chosen && <History key={url.stream} current={chosen} />}
            </>
          );
        }}
      </Load>
    </>
  );
}

/** The former states of a stream: two of them compared, one restored. */
function History({ current }: { current: State }) {
  const c = useConnection();
  const client = useQueryClient();
  const mayRestore = useMay('destroy', c.id);
  const [url, set] = useUrl();
  const [restore, setRestore] = useState<State>();
  const query = useInfiniteQuery(stateHistoryQuery(c.id, current.stream));
  const items = query.data?.pages.flatMap((p) => p.items) ?? [];
  const from = Number(url.from) || items[1]?.id;
  const to = Number(url.to) || current.id;
  return (
    <Section title={`History of ${streamName(current.stream)}`} summary={query.data && `${plural(items.length, 'state')}${query.hasNextPage ? ' and older ones' : ''}`}>
      <Load query={query}>
        {() => (
          <div className={classes.split}>
            <div className={classes.frame} role="region" aria-label="Former states" tabIndex={0}>
              <table className={classes.table}>
                <thead>
                  <tr>
                    <th scope="col">From</th>
                    <th scope="col">To</th>
                    <th scope="col">When</th>
                    <th scope="col">How</th>
                    <th scope="col">
                      <span className="sr">Restore</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((s) => (
                    <tr key={s.id} data-current={s.current || undefined}>
                      <td>
                        <input type="radio" name="from" aria-label={`Compare from state ${s.id}`} checked={from === s.id} onChange={() => set({ from: String(s.id) })} />
                      </td>
                      <td>
                        <input type="radio" name="to" aria-label={`Compare to state ${s.id}`} checked={to === s.id} onChange={() => set({ to: String(s.id) })} />
                      </td>
                      <td>
                        <TimeSeconds at={s.at} />
                      </td>
                      <td>
                        {s.current ? <b>current</b> : null} {s.sync_id ? <Link to="/connections/$id/syncs/$sync" params={{ id: c.id, sync: s.sync_id }}>{originWords(s)}</Link> : originWords(s)}
                      </td>
                      <td data-right>
                        {mayRestore && !s.current && (
                          <Button size="compact-xs" variant="default" onClick={() => setRestore(s)}>
                            Restore…
                          </Button>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {query.hasNextPage && (
                <Button m="xs" variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  Show older
                </Button>
              )}
            </div>
            {from !== undefined && from !== to ? <Diff from={from} to={to} /> : <p className="dim">{items.length < 2 ? 'There is no former state to compare with.' : 'Choose two different states to compare.'}</p>}
          </div>
        )}
      </Load>
      <ConfirmPlan
        title={`Restore the state of ${streamName(current.stream)}`}
        opened={restore !== undefined}
        onClose={() => setRestore(undefined)}
        plan={() => body(api.POST('/api/v1/connections/{connection}/restore', { params: { path: { connection: c.id } }, body: { state_id: restore!.id } }))}
        word={c.name}
        action="Restore the state"
        onDone={(done) => {
          notifications.show({ message: sentence(done.message), color: 'teal' });
          void client.invalidateQueries({ queryKey: keys.one('connections', c.id) });
        }}
      />
    </Section>
  );
}

function Diff({ from, to }: { from: number; to: number }) {
  const c = useConnection();
  const query = useQuery(stateDiffQuery(c.id, from, to));
  return (
    <Load query={query}>
      {(d) => (
        <div className="stack">
          <div className="row wrap">
            <span>
              State {d.from.id} of <TimeSeconds at={d.from.at} /> against state {d.to.id} of <TimeSeconds at={d.to.at} />
            </span>
            <span className="grow" />
            <CopyAs call={{ method: 'GET', path: `/api/v1/connections/${c.id}/state/diff?from=${from}&to=${to}` }} />
          </div>
          {d.changes.length === 0 && <p className="dim">The positions are the same.</p>}
          {d.changes.map((p) => (
            <div key={p.part}>
              <h3 className={classes.part}>{p.part === 0 ? 'The stream as a whole' : `Part ${p.part}`}</h3>
              <pre className={classes.diff} role="region" aria-label="Difference" tabIndex={0}>
                {lineDiff(p.from, p.to).map((l, i) => (
                  <span key={i} data-change={l.change}>
                    {{ same: '  ', removed: '− ', added: '+ ' }[l.change]}
                    {l.text}
                    {'\n'}
                  </span>
                ))}
              </pre>
            </div>
          ))}
        </div>
      )}
    </Load>
  );
}

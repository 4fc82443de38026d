import { Button, Drawer } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useMay } from '../../api/me';
import { DataTable, type Column } from '../../ui/DataTable';
import { Filters } from '../../ui/Filters';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { count, plural, streamName } from '../../ui/format';
import { listOf, useUrl } from '../../ui/useUrl';
import { Discover } from './Discover';
import { StreamEditor } from './StreamEditor';
import { StreamReview } from './StreamReview';
import classes from './Streams.module.css';
import { useConnection } from './context';
import { schemaQuery, streamsQuery } from './queries';
import { choiceOf, columnsOf, modeWords, nameOf, reduce, withSeen, type Choice, type ConnectionStream, type Draft } from './streams';

export function Page() {
  const c = useConnection();
  const streams = useQuery(streamsQuery(c.id));
  const seen = useQuery(schemaQuery(c.id)).data;
  return <Load query={streams}>{(items) => <Streams streams={withSeen(items, seen ?? [], c.all_streams)} seen={seen ?? []} />}</Load>;
}

function Streams({ streams, seen }: { streams: ConnectionStream[]; seen: readonly { stream: { namespace: string; name: string }; shape: { columns: { name: string; type: string; nullable: boolean }[] } }[] }) {
  const c = useConnection();
  const mayEdit = useMay('edit', c.id);
  const [url, set] = useUrl();
  const [drafts, setDrafts] = useState<ReadonlyMap<string, Draft>>(new Map());
  const [base, setBase] = useState<ReadonlyMap<string, Choice>>(new Map());
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [review, setReview] = useState(false);
  const phone = useMediaQuery('(max-width: 900px)');
  const byName = useMemo(() => new Map(streams.map((s) => [nameOf(s), s])), [streams]);
  const seenColumns = useMemo(() => new Map(seen.map((v) => [streamName(v.stream), v.shape.columns])), [seen]);
  const change = (names: readonly string[], draft: Draft) => {
    const next = new Map(drafts);
    const was = new Map(base);
    for (const name of names) {
      const s = byName.get(name);
      if (!s) continue;
      if (!was.has(name)) was.set(name, choiceOf(s));
      const left = reduce(s, { ...next.get(name), ...draft });
      if (left) next.set(name, left);
      else {
        next.delete(name);
        was.delete(name);
      }
    }
    setDrafts(next);
    setBase(was);
  };
  const drop = () => {
    setDrafts(new Map());
    setBase(new Map());
    setReview(false);
  };
  const choice = (s: ConnectionStream): Choice => ({ ...choiceOf(s), ...drafts.get(nameOf(s)) });
  const q = (url.q ?? '').toLowerCase();
  const only = listOf(url.only);
  const shown = streams.filter((s) => nameOf(s).toLowerCase().includes(q) && (only.length === 0 || only.includes(choice(s).selected ? 'yes' : 'no') || (only.includes('changed') && drafts.has(nameOf(s)))));
  const columns: Column<ConnectionStream>[] = [
    { key: 'name', head: 'Stream', width: 'minmax(160px, 2fr)', cell: (s) => <StreamName name={nameOf(s)} changed={drafts.has(nameOf(s))} /> },
    { key: 'synced', head: 'Synced', width: '96px', cell: (s) => (choice(s).selected ? <HealthBadge status="connected" word="Synced" /> : <HealthBadge status="paused" word="Left out" />) },
    { key: 'mode', head: 'Read', width: '110px', cell: (s) => modeWords[choice(s).mode] ?? <span className="dim">{modeWords[s.offered?.modes[0] ?? ''] ?? 'automatic'}</span>, from: 560 },
    { key: 'write', head: 'Write', width: '110px', cell: (s) => modeWords[choice(s).write] ?? <span className="dim">automatic</span>, from: 640 },
    { key: 'key', head: 'Primary key', width: 'minmax(90px, 1fr)', cell: (s) => <span className="cut">{choice(s).primary_key.join(', ') || <span className="dim">{s.offered?.key?.join(', ') ?? '–'}</span>}</span>, from: 820 },
    { key: 'columns', head: 'Columns', width: '120px', align: 'right', cell: (s) => <ColumnCount choice={choice(s)} all={columnsOf(s, seenColumns.get(nameOf(s))).length} />, from: 720 },
    { key: 'rows', head: 'Rows', width: '90px', align: 'right', cell: (s) => (s.offered && s.offered.row_count > 0 ? `≈ ${count(s.offered.row_count)}` : '–'), from: 980 },
  ];
  const current = url.stream ? byName.get(url.stream) : undefined;
  const editor = current && (
    <StreamEditor key={nameOf(current)} stream={current} choice={choice(current)} columns={columnsOf(current, seenColumns.get(nameOf(current)))} mayEdit={mayEdit} onChange={(d) => change([nameOf(current)], d)} onClose={() => set({ stream: undefined })} />
  );
  return (
    <div className={classes.page}>
      <div className={classes.head}>
        <Filters search={{ label: 'Search streams' }} filters={[{ name: 'only', label: 'Show', options: [{ value: 'yes', label: 'Synced' }, { value: 'no', label: 'Left out' }, { value: 'changed', label: 'Changed here' }] }]}>
          <span className={classes.sum}>
            {plural(streams.filter((s) => choice(s).selected).length, 'stream')} of {count(streams.length)} synced; new ones {c.all_streams ? 'are synced, too' : 'are left out'}
          </span>
        </Filters>
        {mayEdit && <Discover sourceId={c.source_id} connectionId={c.id} />}
      </div>
      {mayEdit && picked.size > 0 && (
        <div className={classes.bar} role="region" aria-label="Actions on the selected streams">
          <b>{plural(picked.size, 'stream')} selected</b>
          <Button variant="default" onClick={() => change([...picked], { selected: true })}>Sync</Button>
          <Button variant="default" onClick={() => change([...picked], { selected: false })}>Leave out</Button>
          <Button variant="default" onClick={() => change([...picked], { mode: 'full_refresh' })}>Full refresh</Button>
          <Button variant="default" onClick={() => change([...picked], { mode: 'incremental' })}>Incremental</Button>
          <Button variant="default" onClick={() => change([...picked], { mode: '', write: '' })}>Automatic modes</Button>
          <Button variant="subtle" color="gray" onClick={() => setPicked(new Set())}>Clear</Button>
        </div>
      )}
      {drafts.size > 0 && (
        <div className={classes.bar} data-draft role="region" aria-label="Changes that are not saved">
          <b>{plural(drafts.size, 'stream')} changed, not saved</b>
          <span className="grow" />
          <Button variant="default" onClick={drop}>Discard</Button>
          <Button onClick={() => setReview(true)}>Review and save</Button>
        </div>
      )}
      <div className={classes.split} data-open={(editor && !phone) || undefined}>
        <DataTable
          label="Streams"
          rows={shown}
          rowKey={nameOf}
          columns={columns}
          current={url.stream}
          onOpen={(s) => set({ stream: nameOf(s) }, { push: true })}
          selected={mayEdit ? picked : undefined}
          onSelect={mayEdit ? setPicked : undefined}
          maxHeight="calc(100dvh - 250px)"
          narrow={(s) => (
            <div>
              <StreamName name={nameOf(s)} changed={drafts.has(nameOf(s))} />
              <div className="dim">
                {choice(s).selected ? 'synced' : 'left out'} · {modeWords[choice(s).mode || (s.offered?.modes[0] ?? '')] ?? 'automatic'}
              </div>
            </div>
          )}
          empty={<EmptyState title={streams.length === 0 ? 'The streams are not known yet' : 'No stream is like that'}>{streams.length === 0 ? 'Ask the source what it offers; a sync does so, too.' : 'Search for another name.'}</EmptyState>}
        />
        {editor && !phone && <div className={classes.panel}>{editor}</div>}
      </div>
      {phone && (
        <Drawer opened={editor !== undefined} onClose={() => set({ stream: undefined })} title={url.stream} position="bottom" size="90%">
          {editor}
        </Drawer>
      )}
      <StreamReview opened={review} onClose={() => setReview(false)} streams={streams} drafts={drafts} base={base} onSaved={drop} />
    </div>
  );
}

function StreamName({ name, changed }: { name: string; changed: boolean }) {
  return (
    <span className={classes.name}>
      <span className="cut" title={name}>{name}</span>
      {changed && <span className={classes.changed}>changed</span>}
    </span>
  );
}

function ColumnCount({ choice, all }: { choice: Choice; all: number }) {
  if (all === 0) return <span className="faint">–</span>;
  const out = choice.exclude.length;
  return (
    <span title={[`${all - out} of ${all} loaded`, choice.hash.length > 0 ? `${choice.hash.length} hashed` : ''].filter(Boolean).join(', ')}>
      {out > 0 ? `${all - out} of ${all}` : all}
      {choice.hash.length > 0 && <span className="dim"> · {choice.hash.length} #</span>}
    </span>
  );
}

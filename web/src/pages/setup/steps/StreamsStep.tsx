import { Button, Checkbox, Menu, TextInput } from '@mantine/core';
import { useMemo, useState } from 'react';
import { EmptyState, ErrorState, LoadingState } from '../../../ui/States';
import { count, plural } from '../../../ui/format';
import { IconChevronDown, IconRefresh, IconSearch } from '../../../ui/icons';
import { useUrl } from '../../../ui/useUrl';
import { StepFrame } from '../StepFrame';
import { useDraft } from '../model/draft';
import { useSourceStreams } from '../model/sourceStreams';
import { change, everything, reads, select, selectedKeys, treeOf, withLater, writes, writesFor, effective, keyOf, type Choice, type Offered, type Read, type Write } from '../model/streams';
import { StreamDetails } from './StreamDetails';
import { StreamTree } from './StreamTree';
import classes from './steps.module.css';

/** Which streams are synced, and how. All are, in the way that suits each, unless one says otherwise. */
export function StreamsStep() {
  const [url, set] = useUrl();
  const source = url.source ?? '';
  const { query, read } = useSourceStreams(source);
  const { draft, set: keep } = useDraft();
  const choice = draft.choiceOf === source && draft.choice ? draft.choice : everything;
  const put = (next: Choice) => keep({ choice: next, choiceOf: source });
  const again = () => set({ ...url, step: 'discover', op: undefined });
  const streams = query.data;
  const selected = useMemo(() => selectedKeys(choice, streams ?? []), [choice, streams]);
  const next = () => set({ ...url, step: 'destination', stream: undefined }, { push: true });
  return (
    <StepFrame
      title="What is synced?"
      lead={streams && streams.length > 0 ? <>{count(selected.size)} of {plural(streams.length, 'stream')} selected. The way of each is chosen to fit; change it where you know better.</> : 'Choose what is synced, and how.'}
      back={{ ...url, step: 'check', op: undefined, stream: undefined }}
      next={streams && streams.length > 0 ? 'Continue' : undefined}
      disabled={selected.size === 0 && !choice.all}
      onNext={next}
      ready={streams !== undefined}
      more={
        <Button variant="default" leftSection={<IconRefresh size={14} />} onClick={again}>
          Discover again
        </Button>
      }
    >
      {query.error && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && (read > 0 ? <p role="status">{plural(read, 'stream')} read.</p> : <LoadingState />)}
      {streams?.length === 0 && (
        <EmptyState title="The source has no streams" action={<Button onClick={again}>Discover again</Button>}>
          Either it is empty, or the credentials may not see what is there.
        </EmptyState>
      )}
      {streams && streams.length > 0 && <Chooser streams={streams} choice={choice} selected={selected} put={put} onNext={next} />}
    </StepFrame>
  );
}

function Chooser({ streams, choice, selected, put, onNext }: { streams: Offered[]; choice: Choice; selected: ReadonlySet<string>; put: (c: Choice) => void; onNext: () => void }) {
  const [url, set] = useUrl();
  const [search, setSearch] = useState('');
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => new Set());
  const rows = useMemo(() => treeOf(streams, search, closed), [streams, search, closed]);
  const shown = useMemo(() => (search ? rows.flatMap((r) => (r.kind === 'stream' ? [r.key] : [])) : streams.map(keyOf)), [rows, search, streams]);
  const open = url.stream === undefined ? undefined : streams.find((s) => nameInUrl(s) === url.stream);
  const key = open && keyOf(open);
  return (
    <>
      <div className={classes.toolbar}>
        <TextInput aria-label="Search streams" placeholder="Search streams" size="sm" type="search" leftSection={<IconSearch size={15} />} value={search} onChange={(e) => setSearch(e.currentTarget.value)} />
        <Button variant="default" onClick={() => put(select(choice, shown, true))}>
          Select {search ? 'found' : 'all'}
        </Button>
        <Button variant="default" onClick={() => put(select(choice, shown, false))}>
          {search ? 'Deselect found' : 'Select none'}
        </Button>
        <WayForAll streams={streams} selected={selected} choice={choice} put={put} />
      </div>
      {rows.length === 0 ? (
        <EmptyState title="No stream is called so" />
      ) : (
        <StreamTree
          rows={rows}
          choice={choice}
          selected={selected}
          current={key}
          onToggle={(keys, on) => put(select(choice, keys, on))}
          onFold={(g, isOpen) => {
            const next = new Set(closed);
            if (isOpen) next.delete(g);
            else next.add(g);
            setClosed(next);
          }}
          onOpen={(k) => {
            const s = streams.find((x) => keyOf(x) === k);
            set({ stream: s && k !== key ? nameInUrl(s) : undefined });
          }}
          onNext={onNext}
        />
      )}
      {open && key && <StreamDetails key={key} stream={open} settings={choice.settings[key]} onChange={(c) => put(change(choice, [key], c))} onClose={() => set({ stream: undefined })} />}
      <Checkbox size="sm" label="Also sync streams that the source gets later" description="They come in by themselves, in the way that suits each." checked={choice.all} onChange={(e) => put(withLater(choice, streams, e.currentTarget.checked))} />
    </>
  );
}

const nameInUrl = (s: Offered): string => JSON.stringify([s.namespace ?? '', s.name]);

/** Sets the way of all selected streams that can go it; others keep theirs, and it says how many. */
function WayForAll({ streams, selected, choice, put }: { streams: Offered[]; selected: ReadonlySet<string>; choice: Choice; put: (c: Choice) => void }) {
  const chosen = streams.filter((s) => selected.has(keyOf(s)));
  const setRead = (mode: Read) => {
    const can = chosen.filter((s) => s.modes.includes(mode));
    const keys = (own: boolean) => can.filter((s) => (s.modes[0] === mode) === own).map(keyOf);
    const reset = change(choice, keys(true), { mode: undefined, cursor: undefined, write: undefined });
    put(change(reset, keys(false), { mode, cursor: undefined, write: undefined }));
  };
  const fits = (s: Offered, write: Write) => {
    const way = effective(s, choice.settings[keyOf(s)]);
    return writesFor(way.mode, way.key).includes(write);
  };
  const setWrite = (write: Write) => put(change(choice, chosen.filter((s) => fits(s, write)).map(keyOf), { write }));
  const canRead = (m: Read) => chosen.filter((s) => s.modes.includes(m)).length;
  const canWrite = (w: Write) => chosen.filter((s) => fits(s, w)).length;
  return (
    <Menu position="bottom-start" width={340} withinPortal>
      <Menu.Target>
        <Button variant="default" rightSection={<IconChevronDown size={13} />} disabled={chosen.length === 0}>
          Set for all selected
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => put({ ...choice, settings: {} })}>The way that suits each</Menu.Item>
        <Menu.Label>Read</Menu.Label>
        {(Object.keys(reads) as Read[]).filter(canRead).map((m) => (
          <Menu.Item key={m} onClick={() => setRead(m)} rightSection={<span className="dim">{count(canRead(m))}</span>}>
            {reads[m].word}
          </Menu.Item>
        ))}
        <Menu.Label>Rows land as</Menu.Label>
        {(Object.keys(writes) as Write[]).filter(canWrite).map((w) => (
          <Menu.Item key={w} onClick={() => setWrite(w)} rightSection={<span className="dim">{count(canWrite(w))}</span>}>
            {writes[w].word}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

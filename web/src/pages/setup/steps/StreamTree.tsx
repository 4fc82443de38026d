import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef, useState, type KeyboardEvent } from 'react';
import { short } from '../../../ui/format';
import { IconChevronRight } from '../../../ui/icons';
import { effective, reads, writes, type Choice, type TreeRow } from '../model/streams';
import classes from './StreamTree.module.css';

interface Props {
  rows: readonly TreeRow[];
  choice: Choice;
  selected: ReadonlySet<string>;
  current: string | undefined;
  onToggle: (keys: readonly string[], on: boolean) => void;
  onFold: (group: string, open: boolean) => void;
  onOpen: (key: string) => void;
  /** Leads on to the next step: Enter with Ctrl or ⌘. */
  onNext: () => void;
}

/**
 * Streams by schema, however many. One stop of Tab; arrows move and fold, Space
 * selects (of a schema: all that are shown), Enter opens the settings of a stream.
 */
export function StreamTree({ rows, choice, selected, current, onToggle, onFold, onOpen, onNext }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const [focused, setFocused] = useState(false);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => 36, overscan: 12 });
  const at = Math.min(active, rows.length - 1);

  const move = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to));
    setActive(next);
    virtual.scrollToIndex(next);
  };
  const toggle = (row: TreeRow) => (row.kind === 'stream' ? onToggle([row.key], !selected.has(row.key)) : onToggle(row.keys, !row.keys.every((k) => selected.has(k))));
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget) return;
    const row = rows[at];
    if (!row) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: rows.length - 1 }[e.key];
    if (to !== undefined) move(to);
    else if (e.key === ' ') toggle(row);
    else if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) onNext();
    else if (e.key === 'Enter' && row.kind === 'stream') onOpen(row.key);
    else if (e.key === 'Enter' && row.kind === 'group') onFold(row.name, !row.open);
    else if (e.key === 'ArrowRight' && row.kind === 'group') onFold(row.name, true);
    else if (e.key === 'ArrowLeft' && row.kind === 'group') onFold(row.name, false);
    else if (e.key === 'ArrowLeft') {
      const up = rows.slice(0, at).findLastIndex((r) => r.kind === 'group');
      if (up >= 0) move(up);
    } else return;
    e.preventDefault();
  };

  return (
    <div className={classes.frame}>
      <div className={classes.head} aria-hidden>
        <span />
        <span>Stream</span>
        <span>Read</span>
        <span>Written</span>
        <span data-right>Rows</span>
      </div>
      <div
        ref={scroller}
        role="treegrid"
        aria-label="Streams"
        aria-rowcount={rows.length}
        aria-colcount={5}
        aria-multiselectable
        tabIndex={0}
        className={classes.scroller}
        style={{ height: Math.min(420, Math.max(72, rows.length * 36)) }}
        onKeyDown={onKeyDown}
        onFocus={(e) => setFocused(e.target === e.currentTarget)}
        onBlur={() => setFocused(false)}
        aria-activedescendant={focused && at >= 0 ? `stream-${at}` : undefined}
      >
        <div role="rowgroup" className={classes.body} style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index]!;
            const on = row.kind === 'stream' ? selected.has(row.key) : row.keys.every((k) => selected.has(k));
            const some = row.kind === 'group' && !on && row.keys.some((k) => selected.has(k));
            const name = row.kind === 'stream' ? row.stream.name : row.name || 'no schema';
            return (
              // Keys are the grid's: see onKeyDown.
              // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
              <div
                key={item.key}
                id={`stream-${item.index}`}
                role="row"
                aria-rowindex={item.index + 1}
                aria-level={row.kind === 'stream' ? row.depth + 1 : 1}
                aria-expanded={row.kind === 'group' ? row.open : undefined}
                aria-selected={on}
                className={classes.row}
                data-kind={row.kind}
                data-on={on || undefined}
                data-active={(focused && item.index === at) || undefined}
                data-current={(row.kind === 'stream' && row.key === current) || undefined}
                style={{ height: item.size, transform: `translateY(${item.start}px)` }}
                onClick={(e) => {
                  setActive(item.index);
                  if ((e.target as HTMLElement).closest('input')) return;
                  if (row.kind === 'stream') onOpen(row.key);
                  else onFold(row.name, !row.open);
                }}
              >
                <span role="gridcell" className={classes.check}>
                  <input type="checkbox" tabIndex={-1} aria-label={`Sync ${name}`} checked={on} ref={(el) => void (el && (el.indeterminate = some))} onChange={() => toggle(row)} />
                </span>
                <span role="gridcell" className={classes.name} style={row.kind === 'stream' && row.depth > 0 ? { paddingLeft: 20 } : undefined}>
                  {row.kind === 'group' && <IconChevronRight size={14} aria-hidden className={classes.turn} data-open={row.open || undefined} />}
                  <span className="cut" title={row.kind === 'stream' ? (row.stream.doc ?? undefined) : undefined}>
                    {name}
                  </span>
                  {row.kind === 'group' && (
                    <span className="dim num">
                      {row.keys.filter((k) => selected.has(k)).length} of {row.keys.length}
                    </span>
                  )}
                </span>
                {row.kind === 'stream' ? <Ways row={row} choice={choice} /> : <span role="gridcell" />}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Ways({ row, choice }: { row: TreeRow & { kind: 'stream' }; choice: Choice }) {
  const set = choice.settings[row.key];
  const way = effective(row.stream, set);
  return (
    <>
      <span role="gridcell" className={classes.way} title={reads[way.mode].means}>
        {reads[way.mode].word}
        {way.cursor && <span className="dim"> by {way.cursor}</span>}
      </span>
      <span role="gridcell" className={classes.way} title={writes[way.write].means}>
        {writes[way.write].word}
        {set && (
          <span className={classes.changed} title="Changed by you">
            <span className="sr">, changed by you</span>
          </span>
        )}
      </span>
      <span role="gridcell" className={classes.rows}>
        {row.stream.row_count > 0 ? `~${short(row.stream.row_count)}` : '–'}
      </span>
    </>
  );
}

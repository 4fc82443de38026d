import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import classes from './DataTable.module.css';
import { IconSortDown, IconSortUp } from './icons';

export interface Column<T> {
  key: string;
  head: ReactNode;
  /** A track of CSS grid: 'minmax(180px, 2fr)', '90px'. */
  width?: string;
  align?: 'left' | 'right';
  cell: (row: T) => ReactNode;
  /** The name to sort by; the head is then a button. */
  sort?: string;
  /** Left out where the table is narrower than this, in pixels. */
  from?: number;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  rowKey: (row: T) => string;
  columns: readonly Column<T>[];
  /** Enter or a click. The first cell should also hold a real link, to open elsewhere. */
  onOpen?: (row: T) => void;
  selected?: ReadonlySet<string>;
  onSelect?: (keys: Set<string>) => void;
  /** Shown as opened, as by a panel beside the table. */
  current?: string | undefined;
  /** `name`, or `-name` for descending. */
  sort?: string | undefined;
  onSort?: (sort: string) => void;
  /** Called when the end comes near: read the next page. */
  onEnd?: () => void;
  /** All rows there are, where not all are here; -1 where nobody knows. */
  total?: number;
  rowHeight?: number;
  /** A row where there is no width for columns (under 560 px). */
  narrow?: (row: T) => ReactNode;
  narrowHeight?: number;
  /** In a page that fills the window the table fills the rest; else it grows to this height. */
  maxHeight?: number | string;
  empty?: ReactNode;
}

/**
 * A table of any length: only rows in sight are drawn. Keyboard: arrows, Page
 * Up/Down, Home, End; Enter opens; Space selects. One stop of the Tab key.
 */
export function DataTable<T>(props: Props<T>) {
  const { label, rows, rowKey, onOpen, onEnd, selected, onSelect, rowHeight = 36, narrow, narrowHeight = 64, empty } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [active, setActive] = useState(0);
  const [focused, setFocused] = useState(false);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  const small = narrow !== undefined && width > 0 && width < 560;
  const columns = props.columns.filter((c) => !c.from || width >= c.from);
  const height = small ? narrowHeight : rowHeight;
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 12, getItemKey: (i) => rowKey(rows[i]!) });
  useEffect(() => virtual.measure(), [height, virtual]);
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (onEnd && rows.length > 0 && last >= rows.length - 30) onEnd();
  }, [last, rows.length, onEnd]);

  const toggle = (key: string) => {
    const next = new Set(selected);
    if (!next.delete(key)) next.add(key);
    onSelect?.(next);
  };
  const move = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to));
    setActive(next);
    virtual.scrollToIndex(next);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / height) - 2);
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: rows.length - 1, j: active + 1, k: active - 1 }[e.key];
    const row = rows[active];
    if (to !== undefined) move(to);
    else if (e.key === 'Enter' && row && onOpen) onOpen(row);
    else if (e.key === ' ' && row && onSelect) toggle(rowKey(row));
    else return;
    e.preventDefault();
  };

  const template = [...(onSelect ? ['32px'] : []), ...columns.map((c) => c.width ?? 'minmax(80px, 1fr)')].join(' ');
  const grid = { gridTemplateColumns: small ? (onSelect ? '32px 1fr' : '1fr') : template };
  const all = rows.length > 0 && rows.every((r) => selected?.has(rowKey(r)));
  return (
    <div className={classes.frame} style={props.maxHeight !== undefined ? { maxHeight: props.maxHeight, flex: 'none' } : undefined}>
      <div
        ref={scroller}
        className={classes.scroller}
        role="grid"
        aria-label={label}
        aria-rowcount={props.total ?? rows.length + 1}
        aria-colcount={columns.length + (onSelect ? 1 : 0)}
        aria-multiselectable={onSelect ? true : undefined}
        aria-activedescendant={focused && rows[active] ? `row-${rowKey(rows[active])}` : undefined}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onFocus={(e) => setFocused(e.target === e.currentTarget)}
        onBlur={() => setFocused(false)}
      >
        <div role="rowgroup" className={classes.head} data-small={small || undefined}>
          <div role="row" className={classes.headRow} style={grid} aria-rowindex={1}>
            {onSelect && (
              <div role="columnheader" className={classes.cell}>
                <input type="checkbox" aria-label="Select all that are shown" checked={all} onChange={() => onSelect(all ? new Set() : new Set(rows.map(rowKey)))} />
              </div>
            )}
            {columns.map((c) => (
              <Head key={c.key} column={c} sort={props.sort} onSort={props.onSort} />
            ))}
          </div>
        </div>
        {rows.length === 0 && empty ? (
          <div role="row" className={classes.empty}>
            <div role="gridcell">{empty}</div>
          </div>
        ) : (
          <div role="rowgroup" className={classes.body} style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const row = rows[item.index]!;
              const key = rowKey(row);
              return (
                // Keys are the grid's: see onKeyDown. eslint-disable-next-line is not needed for a row with a role.
                // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
                <div
                  key={item.key}
                  id={`row-${key}`}
                  role="row"
                  aria-rowindex={item.index + 2}
                  aria-selected={onSelect ? (selected?.has(key) ?? false) : props.current === key || undefined}
                  className={classes.row}
                  data-active={(focused && item.index === active) || undefined}
                  data-current={props.current === key || undefined}
                  data-open={onOpen ? true : undefined}
                  style={{ ...grid, height: item.size, transform: `translateY(${item.start}px)` }}
                  onClick={(e) => {
                    setActive(item.index);
                    if (onOpen && !(e.target as HTMLElement).closest('a,button,input,label')) onOpen(row);
                  }}
                >
                  {onSelect && (
                    <div role="gridcell" className={classes.cell}>
                      <input type="checkbox" tabIndex={-1} aria-label="Select" checked={selected?.has(key) ?? false} onChange={() => toggle(key)} />
                    </div>
                  )}
                  {small ? (
                    <div role="gridcell" className={classes.narrow}>
                      {narrow(row)}
                    </div>
                  ) : (
                    columns.map((c) => (
                      <div key={c.key} role="gridcell" className={classes.cell} data-align={c.align}>
                        {c.cell(row)}
                      </div>
                    ))
                  )}
                </div>
              );
            })}
          </div>
        )}
      </div>
    </div>
  );
}

function Head<T>({ column: c, sort, onSort }: { column: Column<T>; sort: string | undefined; onSort: ((sort: string) => void) | undefined }) {
  const up = sort !== undefined && sort === c.sort;
  const down = sort !== undefined && sort === `-${c.sort ?? ''}`;
  return (
    <div role="columnheader" className={classes.cell} data-align={c.align} aria-sort={up ? 'ascending' : down ? 'descending' : undefined}>
      {c.sort && onSort ? (
        <button type="button" className={classes.sort} onClick={() => onSort(up ? `-${c.sort ?? ''}` : (c.sort ?? ''))}>
          {c.head}
          {up && <IconSortUp size={12} aria-hidden />}
          {down && <IconSortDown size={12} aria-hidden />}
        </button>
      ) : (
        c.head
      )}
    </div>
  );
}

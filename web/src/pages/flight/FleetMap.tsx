import { Select } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { memo, useEffect, useMemo, useRef, useState, type MouseEvent } from 'react';
import type { FleetRow } from '../../api/fleet';
import { count, plural } from '../../ui/format';
import { StatusDot } from '../../ui/StatusDot';
import { statusWord, type Tone } from '../../ui/status';
import { useUrl } from '../../ui/useUrl';
import { rowStatus } from '../connections/rows';
import { groupings, groupRows, isRunning, labelKeys, sameGroups, type Group } from './board';
import classes from './Flight.module.css';

/** The side of a cell: so large that all fit, so small that thousands do. */
function cellSize(n: number): number {
  return n <= 60 ? 20 : n <= 400 ? 15 : n <= 2500 ? 11 : 8;
}

/** The shape of a tone as a path in a cell of that side: colour is never alone. */
function shape(tone: Tone, x: number, y: number, s: number): string {
  const m = x + s / 2;
  switch (tone) {
    case 'action':
      return `M${m},${y}L${x + s},${y + s}H${x}Z`;
    case 'degraded':
      return `M${x},${y + s}V${y}L${x + s},${y + s}Z`;
    case 'paused':
      return `M${x + s * 0.1},${y + s * 0.15}h${s * 0.25}v${s * 0.7}h${-s * 0.25}ZM${x + s * 0.6},${y + s * 0.15}h${s * 0.25}v${s * 0.7}h${-s * 0.25}Z`;
    case 'waiting':
      return `M${x + s * 0.15},${y + s * 0.15}h${s * 0.7}v${s * 0.7}h${-s * 0.7}ZM${x + s * 0.32},${y + s * 0.32}v${s * 0.36}h${s * 0.36}v${-s * 0.36}Z`;
    case 'syncing':
    case 'healthy': {
      const r = s * 0.42;
      return `M${m - r},${y + s / 2}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`;
    }
    case 'down':
      return `M${x},${y}h${s}v${s}h${-s}Z`;
  }
}

const tones: Tone[] = ['healthy', 'syncing', 'waiting', 'paused', 'degraded', 'action', 'down'];

/** What the map is grouped by: what connections have in common, or a label. */
export function GroupBy({ rows }: { rows: readonly FleetRow[] }) {
  const [url, set] = useUrl();
  const keys = useMemo(() => labelKeys(rows), [rows]);
  return (
    <Select
      aria-label="Group by"
      size="xs"
      w={140}
      allowDeselect={false}
      value={url.group ?? 'team'}
      onChange={(v) => set({ group: v === 'team' ? undefined : (v ?? undefined) })}
      data={[
        { group: 'Group by', items: groupings.map((g) => ({ value: g, label: g[0]!.toUpperCase() + g.slice(1) })) },
        ...(keys.length > 0 ? [{ group: 'Label', items: keys.filter((k) => !(groupings as readonly string[]).includes(k)) }] : []),
      ]}
    />
  );
}

interface Pointed {
  row: FleetRow;
  x: number;
  y: number;
}

/** Every connection as one mark, grouped: what is wrong, and where, from across the room. */
export function FleetMap({ rows, scale = 1 }: { rows: readonly FleetRow[]; scale?: number }) {
  const [url] = useUrl();
  const by = url.group ?? 'team';
  const [width, setWidth] = useState(0);
  const frame = useRef<HTMLDivElement>(null);
  const before = useRef<Group[]>([]);
  const groups = useMemo(() => (before.current = sameGroups(before.current, groupRows(rows, by))), [rows, by]);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  const size = Math.round(cellSize(rows.length) * scale);
  return (
    <div ref={frame} className={classes.map}>
      {rows.length <= chips && groups.map((g) => <Chips key={g.name} group={g} by={by} />)}
      {rows.length > chips && width > 0 && groups.map((g) => <Cells key={g.name} group={g} by={by} width={width} size={size} />)}
    </div>
  );
}

/** Up to so many connections are shown by their names. */
const chips = 48;

const nameOf = (group: Group, by: string): string => group.name || (by === 'region' ? 'Default region' : `No ${by}`);

/** A group of few: each by its name. */
function Chips({ group, by }: { group: Group; by: string }) {
  return (
    <section className={classes.group} aria-label={nameOf(group, by)}>
      <GroupHead group={group} by={by} />
      <ul className={classes.chips}>
        {group.rows.map((r) => (
          <li key={r.id}>
            <Link to="/connections/$id/timeline" params={{ id: r.id }} className={classes.chip} data-running={isRunning(r) || undefined} title={r.failure ? `${r.name}: ${r.failure.code}` : r.name}>
              <StatusDot status={rowStatus(r)} size={11} />
              <span className="cut">{r.name}</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

function GroupHead({ group, by }: { group: Group; by: string }) {
  const [, set] = useUrl();
  const name = nameOf(group, by);
  return (
    <div className={classes.groupHead}>
      <h3 className={classes.groupName}>
        {['team', 'connector', 'region'].includes(by) && group.name !== '' ? (
          <button type="button" className={classes.link} onClick={() => set({ [by]: group.name })} title={`Show ${name} alone`}>
            {name}
          </button>
        ) : (
          name
        )}
      </h3>
      <span className="dim num">{count(group.rows.length)}</span>
      {words(group)
        .filter((s) => s.status !== 'healthy')
        .map((s) => (
          <span key={s.status} className={classes.groupSum} data-tone={statusWord(s.status).tone}>
            {count(s.n)} {statusWord(s.status).word.toLowerCase()}
          </span>
        ))}
    </div>
  );
}

function words(group: Group): { status: string; n: number }[] {
  const seen = new Map<string, number>();
  for (const r of group.rows) {
    const s = rowStatus(r);
    seen.set(s, (seen.get(s) ?? 0) + 1);
  }
  return ['down', 'needs_action', 'degraded', 'rescheduled', 'queued', 'syncing', 'new', 'paused', 'healthy'].filter((s) => seen.has(s)).map((status) => ({ status, n: seen.get(status)! }));
}

/** One group: its marks are a few paths, so that thousands cost nothing. */
const Cells = memo(function Cells({ group, by, width, size }: { group: Group; by: string; width: number; size: number }) {
  const navigate = useNavigate();
  const [at, setAt] = useState<Pointed | null>(null);
  const step = size + Math.max(2, Math.round(size / 5));
  const columns = Math.max(1, Math.floor((width + step - size) / step));
  const lines = Math.ceil(group.rows.length / columns);
  const { paths, rings } = useMemo(() => {
    const byTone = new Map<Tone, string[]>(tones.map((t) => [t, []]));
    const ring: string[] = [];
    group.rows.forEach((r, i) => {
      const x = (i % columns) * step;
      const y = Math.floor(i / columns) * step;
      byTone.get(statusWord(rowStatus(r)).tone)!.push(shape(statusWord(rowStatus(r)).tone, x, y, size));
      if (isRunning(r)) ring.push(`M${x - 1.5},${y - 1.5}h${size + 3}v${size + 3}h${-size - 3}Z`);
    });
    return { paths: byTone, rings: ring.join('') };
  }, [group, columns, step, size]);
  const sums = words(group);
  const name = nameOf(group, by);
  const point = (e: MouseEvent<SVGSVGElement>): FleetRow | undefined => {
    const box = e.currentTarget.getBoundingClientRect();
    const column = Math.floor((e.clientX - box.left) / step);
    return column < columns ? group.rows[Math.floor((e.clientY - box.top) / step) * columns + column] : undefined;
  };
  return (
    <section className={classes.group} aria-label={`${name}: ${plural(group.rows.length, 'connection')}`}>
      <GroupHead group={group} by={by} />
      <div className={classes.cells}>
        {/* The list of connections is the same for keys and readers; here the pointer is quicker. */}
        <svg
          width={columns * step}
          height={lines * step}
          role="img"
          aria-label={`${name}: ${sums.map((s) => `${s.n} ${statusWord(s.status).word.toLowerCase()}`).join(', ')}`}
          onMouseMove={(e) => {
            const row = point(e);
            const box = e.currentTarget.getBoundingClientRect();
            setAt(row ? { row, x: Math.min(e.clientX - box.left, width - 240), y: e.clientY - box.top } : null);
          }}
          onMouseLeave={() => setAt(null)}
          onClick={(e) => {
            const row = point(e);
            if (row) void navigate({ to: '/connections/$id/timeline', params: { id: row.id } });
          }}
        >
          {tones.map((t) => {
            const d = paths.get(t)!;
            return d.length > 0 && <path key={t} d={d.join('')} data-tone={t} fillRule="evenodd" />;
          })}
          {rings && <path d={rings} className={classes.ring} />}
        </svg>
        {at && (
          <div className={classes.tip} style={{ transform: `translate(${Math.max(0, at.x + 12)}px, ${at.y + 14}px)` }} aria-hidden>
            <b>{at.row.name}</b>
            <span>
              {statusWord(rowStatus(at.row)).word}
              {isRunning(at.row) && ' · syncing'}
            </span>
            {at.row.failure && <span className="dim">{at.row.failure.code}</span>}
          </div>
        )}
      </div>
    </section>
  );
});

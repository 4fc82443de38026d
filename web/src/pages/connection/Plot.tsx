import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef, type ReactNode } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import classes from './Charts.module.css';

export interface Line {
  label: string;
  /** A name of a colour of tokens.css, without the dashes. */
  colour: string;
  kind?: 'line' | 'bars' | 'dashed' | 'edge';
  values: readonly (number | null)[];
}

interface Props {
  title: string;
  /** What the chart shows, in a sentence. */
  summary: ReactNode;
  /** Seconds since 1970, growing. */
  at: readonly number[];
  lines: readonly Line[];
  /** Two lines of which the space between is filled: their indices. */
  band?: readonly [number, number];
  write: (value: number | null) => string;
  /** How a place on the x axis is written in the legend and the table. */
  writeAt: (seconds: number) => string;
  /** Rows of the table that says the same; fewer than points where those are many. */
  table?: readonly number[];
  height?: number;
}

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A chart over time, with a table that says the same for who does not see it. */
export function Plot(props: Props) {
  const { title, summary, at, lines, write, writeAt, table } = props;
  const { ref, width } = useElementSize();
  const holder = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (!holder.current || width === 0) return;
    const plot = new uPlot(options(props, width), [[...at], ...lines.map((l) => [...l.values])] as uPlot.AlignedData, holder.current);
    return () => plot.destroy();
    // What the chart is made of is in these; functions change with every drawing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [width, scheme, at, lines]);
  const shown = table ?? at.map((_, i) => i);
  return (
    <figure className={classes.figure}>
      <figcaption className={classes.caption}>
        <h2>{title}</h2>
        <span className="dim">{summary}</span>
      </figcaption>
      <div ref={ref} className={classes.plot}>
        <div ref={holder} role="img" aria-label={title} />
      </div>
      <details className={classes.details}>
        <summary>As a table</summary>
        <div className={classes.tableFrame} role="region" aria-label={`${title} as a table`} tabIndex={0}>
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">When</th>
                {lines.map((l) => (
                  <th key={l.label} scope="col" data-right>
                    {l.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {[...shown].reverse().map((i) => (
                <tr key={at[i]}>
                  <th scope="row">{writeAt(at[i] ?? 0)}</th>
                  {lines.map((l) => (
                    <td key={l.label} data-right>
                      {write(l.values[i] ?? null)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const hours = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

const axisTime = (seconds: number, long: boolean): string => (long ? days : hours).format(seconds * 1000);

function options({ at, lines, band, write, writeAt, height = 200 }: Props, width: number): uPlot.Options {
  const font = '12px ' + getComputedStyle(document.body).fontFamily;
  const axis = { stroke: token('dim'), font, grid: { stroke: token('line'), width: 1 }, ticks: { stroke: token('line'), width: 1, size: 4 } };
  const first = at[0] ?? 0;
  const long = (at.at(-1) ?? 0) - first > 3 * 86_400;
  // Bars stand on their times: half a bar more on either side.
  const pad = lines.some((l) => l.kind === 'bars') ? 43_200 : 0;
  const mixed = (name: string, share: number) => `color-mix(in srgb, ${token(name)} ${share}%, transparent)`;
  return {
    width,
    height,
    padding: [10, 8, 0, 0],
    legend: { live: true },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true, range: (_, min, max) => [min - pad, max + pad] }, y: { range: (_, __, max) => [0, Math.max(max, 1) * 1.08] } },
    axes: [{ ...axis, size: 32, space: 80, grid: { show: false }, values: (_, ticks) => ticks.map((t) => axisTime(t, long)) }, { ...axis, size: 74, values: (_, ticks) => ticks.map((t) => write(t)) }],
    series: [
      { label: 'When', value: (_, v) => (v === null ? '–' : writeAt(v)) },
      ...lines.map((l): uPlot.Series => {
        const base = { label: l.label, value: (_: uPlot, v: number | null) => write(v) };
        if (l.kind === 'bars') return { ...base, stroke: token(l.colour), fill: mixed(l.colour, 70), width: 0, paths: uPlot.paths.bars!({ size: [0.7, 40], radius: 0.12 }), points: { show: false } };
        if (l.kind === 'edge') return { ...base, stroke: 'transparent', width: 0, points: { show: false } };
        return { ...base, stroke: token(l.colour), width: 1.5, ...(l.kind === 'dashed' ? { dash: [5, 4] } : { fill: mixed(l.colour, 10) }), points: { show: false } };
      }),
    ],
    ...(band ? { bands: [{ series: [band[0] + 1, band[1] + 1], fill: mixed('accent', 14) }] } : {}),
  };
}

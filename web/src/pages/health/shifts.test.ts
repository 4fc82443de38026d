import { describe, expect, it } from 'vitest';
import { daysFrom, hueOf, lanesOf, monday } from './shifts';

const at = (h: number) => new Date(Date.UTC(2026, 10, 21, h)).toISOString();

describe('lanesOf', () => {
  const from = Date.parse(at(0));
  const to = Date.parse(at(20));
  it('cuts what goes past the ends, and keeps gaps apart', () => {
    const lanes = lanesOf([{ level: 'one', person: 'ana', from: new Date(from - 3_600_000).toISOString(), to: at(5) }, { level: 'two', person: 'bo', from: at(10) }], [{ level: 'one', from: at(5), to: at(10) }], from, to);
    expect(lanes.map((l) => l.level)).toEqual(['one', 'two']);
    expect(lanes[0]!.bars.map((b) => [b.left, b.width, b.gap])).toEqual([[0, 0.25, false], [0.25, 0.25, true]]);
    expect(lanes[1]!.bars.map((b) => [b.left, b.width])).toEqual([[0.5, 0.5]]);
  });
  it('leaves out what is elsewhere', () => expect(lanesOf([{ level: 'one', person: 'ana', from: at(21), to: at(23) }], [], from, to)).toEqual([]));
});

it('begins weeks on Monday', () => {
  expect(monday(new Date(2026, 10, 22, 15)).getDate()).toBe(16); // a Sunday
  expect(monday(new Date(2026, 10, 16, 0)).getDate()).toBe(16);
});

it('counts days by the calendar', () => expect(daysFrom(new Date(2026, 2, 28), 3).map((d) => [d.getDate(), d.getHours()])).toEqual([[28, 0], [29, 0], [30, 0]]));

it('gives neighbours of the plan different hues', () => {
  const people = [{ id: 'ana@example.com' }, { id: 'ben@example.com' }];
  expect(hueOf('ana@example.com', people)).not.toBe(hueOf('ben@example.com', people));
  expect(hueOf('gone@example.com', people)).toBe(0);
});

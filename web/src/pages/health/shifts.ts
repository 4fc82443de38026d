import type { Schemas } from '../../api/client';

export type Shift = Schemas['Shift'];

export interface Bar {
  /** Of the width of the calendar, 0 to 1. */
  left: number;
  width: number;
  shift: Shift;
  /** Nobody is on call. */
  gap: boolean;
}

export interface Lane {
  level: string;
  bars: Bar[];
}

/** Shifts and gaps as bars of a calendar from one time to another, a lane for each level. */
export function lanesOf(shifts: readonly Shift[], gaps: readonly Shift[], from: number, to: number): Lane[] {
  const lanes = new Map<string, Lane>();
  const put = (shift: Shift, gap: boolean) => {
    const start = Math.max(from, shift.from ? Date.parse(shift.from) : from);
    const end = Math.min(to, shift.to ? Date.parse(shift.to) : to);
    if (end <= start) return;
    const lane = lanes.get(shift.level) ?? { level: shift.level, bars: [] };
    lane.bars.push({ left: (start - from) / (to - from), width: (end - start) / (to - from), shift, gap });
    lanes.set(shift.level, lane);
  };
  for (const s of shifts) put(s, !s.person);
  for (const g of gaps) put(g, true);
  for (const lane of lanes.values()) lane.bars.sort((a, b) => a.left - b.left);
  return [...lanes.values()];
}

/** Midnight of the Monday of a time's week, in the viewer's zone. */
export function monday(at: Date): Date {
  const day = new Date(at.getFullYear(), at.getMonth(), at.getDate());
  day.setDate(day.getDate() - ((day.getDay() + 6) % 7));
  return day;
}

/** The days from a time on, by the viewer's calendar: days on which clocks change are not 24 hours long. */
export function daysFrom(first: Date, count: number): Date[] {
  return Array.from({ length: count }, (_, i) => new Date(first.getFullYear(), first.getMonth(), first.getDate() + i));
}

/** A number for each person, 0 to 5, by which their bars are told apart; their names are on them, too. Neighbours in the plan have different ones. */
export function hueOf(person: string, people: readonly { id: string }[]): number {
  return Math.max(0, people.findIndex((p) => p.id === person)) % 6;
}

/** A plan to begin with: two people who take turns by the week. */
export const firstPlan = (zone: string, today: string): Schemas['RotaPlan'] => ({
  people: [
    { id: 'first@example.com', name: 'First person', zone },
    { id: 'second@example.com', name: 'Second person', zone },
  ],
  levels: [{ name: 'on call', full_cover: true, layers: [{ name: 'weekly', zone, people: ['first@example.com', 'second@example.com'], start: today, handover: '09:00', turn: 'weekly' }] }],
});

import type { Schemas } from '../../api/client';
import { time } from '../../ui/format';
import classes from './Rota.module.css';
import { hueOf, lanesOf } from './shifts';

const dayName = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric' });

interface Props {
  shifts: Schemas['Shifts'];
  days: readonly Date[];
  end: Date;
  people: readonly Schemas['RotaPerson'][];
  now: number;
  label?: string;
}

const whys: Record<string, string> = { turn: 'their turn', substitute: 'for somebody who is off', override: 'set by hand', cover: 'nobody else is there' };

/** Shifts as bars over days, a lane for each level of the escalation. */
export function RotaCalendar({ shifts, days, end, people, now, label = 'Calendar of shifts' }: Props) {
  const from = days[0]!.getTime();
  const to = end.getTime();
  const lanes = lanesOf(shifts.shifts, shifts.gaps ?? [], from, to);
  const name = (id: string | undefined) => people.find((p) => p.id === id)?.name || id || 'Nobody';
  return (
    <div className={classes.frame} role="region" aria-label={label} tabIndex={0}>
      <div className={classes.calendar}>
        <div className={classes.days} aria-hidden>
          {days.map((d) => (
            <div key={d.getTime()} className={classes.day} data-today={new Date(now).toDateString() === d.toDateString() || undefined}>
              {dayName.format(d)}
            </div>
          ))}
        </div>
        {lanes.map((lane) => (
          <div key={lane.level} className={classes.lane}>
            <div className={classes.level}>{lane.level}</div>
            <ul className={classes.track} aria-label={lane.level}>
              {lane.bars.map((b) => {
                const what = `${b.gap ? 'Nobody' : name(b.shift.person)}, ${b.shift.from ? time(b.shift.from) : 'always'} to ${b.shift.to ? time(b.shift.to) : 'further notice'}${b.shift.why ? ` (${whys[b.shift.why] ?? b.shift.why})` : ''}`;
                return (
                  <li key={b.left} className={classes.shift} data-gap={b.gap || undefined} data-hue={hueOf(b.shift.person ?? '', people)} style={{ left: `${b.left * 100}%`, width: `calc(${b.width * 100}% - 2px)` }} title={what}>
                    <span aria-hidden>{b.gap ? 'Nobody' : name(b.shift.person)}</span>
                    <span className="sr">{what}</span>
                  </li>
                );
              })}
              {now >= from && now < to && <li aria-hidden className={classes.line} style={{ left: `${((now - from) / (to - from)) * 100}%` }} />}
            </ul>
          </div>
        ))}
      </div>
    </div>
  );
}

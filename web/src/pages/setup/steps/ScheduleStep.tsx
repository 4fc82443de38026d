import { Select, TextInput } from '@mantine/core';
import { useMemo } from 'react';
import type { Schemas } from '../../../api/client';
import { duration, fullTime, parseDuration } from '../../../ui/format';
import { useNow } from '../../../ui/Time';
import { useUrl } from '../../../ui/useUrl';
import { StepFrame } from '../StepFrame';
import { nextRuns, parseCron } from '../model/cron';
import { useDraft } from '../model/draft';
import classes from './steps.module.css';

type Schedule = Schemas['ScheduleSpec'];

/** Frequencies that one chooses at once. */
const presets = ['1m', '5m', '15m', '30m', '1h', '2h', '3h', '6h', '8h', '12h', '24h'];
export const usual: Schedule = { every: '6h' };

/** When it runs: an interval, a cron expression with a zone, or only when asked. */
export function ScheduleStep() {
  const [url, set] = useUrl();
  const { draft, set: keep } = useDraft();
  const schedule = draft.schedule ?? usual;
  const wrong = scheduleFault(schedule);
  return (
    <StepFrame title="How often?" lead="The first sync starts when you create the connection; from then on it runs by this schedule." back={{ ...url, step: 'destination' }} next="Continue" disabled={wrong !== undefined} onNext={() => set({ ...url, step: 'review' }, { push: true })}>
      <ScheduleFields value={schedule} onChange={(s) => keep({ schedule: s })} />
    </StepFrame>
  );
}

/** What is wrong with a schedule; undefined: nothing. */
export function scheduleFault(s: Schedule): string | undefined {
  if (s.cron !== undefined) {
    const cron = parseCron(s.cron);
    return typeof cron === 'string' ? cron : undefined;
  }
  if (s.every !== undefined) {
    const ms = parseDuration(s.every);
    return ms >= 60_000 && ms <= 366 * 86_400_000 ? undefined : 'An interval is from 1m to 366d, such as 45m or 36h.';
  }
  return undefined;
}

export function ScheduleFields({ value, onChange }: { value: Schedule; onChange: (s: Schedule) => void }) {
  const kind = value.manual ? 'manual' : value.cron !== undefined ? 'cron' : 'every';
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const kinds = [
    ['every', 'At an interval', usual],
    ['cron', 'At set times', { cron: '0 6 * * *', zone: here }],
    ['manual', 'Only when asked', { manual: true }],
  ] as const;
  return (
    <>
      <fieldset className={classes.kinds}>
        <legend className="sr">Kind of schedule</legend>
        {kinds.map(([id, label, first]) => (
          <label key={id} className={classes.option}>
            <input type="radio" name="kind" checked={kind === id} onChange={() => onChange(first)} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      {kind === 'every' && <Interval value={value.every ?? ''} onChange={(every) => onChange({ every })} />}
      {kind === 'cron' && <CronFields value={value} onChange={onChange} />}
      {kind === 'manual' && <p className="dim">It runs when somebody presses “Sync now”, when the API asks for it, or after connections that it depends on.</p>}
      {kind !== 'manual' && scheduleFault(value) === undefined && <Preview value={value} />}
    </>
  );
}

function Interval({ value, onChange }: { value: string; onChange: (every: string) => void }) {
  const ms = parseDuration(value);
  const preset = presets.find((p) => parseDuration(p) === ms);
  return (
    <>
      <fieldset className={classes.choices}>
        <legend className="sr">Interval</legend>
        {presets.map((p) => (
          <label key={p} className={classes.option}>
            <input type="radio" name="every" checked={p === preset} onChange={() => onChange(p)} />
            <span>{duration(parseDuration(p)).replace('1 d', '24 h')}</span>
          </label>
        ))}
      </fieldset>
      <TextInput label="Or another interval" size="sm" style={{ maxWidth: 280 }} placeholder="such as 45m or 36h" value={preset ? '' : value} error={preset ? undefined : scheduleFault({ every: value })} onChange={(e) => onChange(e.currentTarget.value.trim() || '6h')} />
    </>
  );
}

function CronFields({ value, onChange }: { value: Schedule; onChange: (s: Schedule) => void }) {
  const zones = useMemo(() => ['UTC', ...Intl.supportedValuesOf('timeZone').filter((z) => z !== 'UTC')], []);
  return (
    <div className={classes.fields}>
      <TextInput label="Times" description="Minute, hour, day, month, weekday: 30 6 * * 1-5 is 6:30 from Monday to Friday." size="sm" inputWrapperOrder={['label', 'input', 'error', 'description']} value={value.cron ?? ''} error={scheduleFault(value)} onChange={(e) => onChange({ ...value, cron: e.currentTarget.value })} spellCheck={false} autoComplete="off" styles={{ input: { fontFamily: 'var(--mono)' } }} />
      <Select label="Time zone" size="sm" data={zones} value={value.zone ?? 'UTC'} searchable allowDeselect={false} limit={60} onChange={(z) => onChange({ ...value, zone: z ?? 'UTC' })} />
    </div>
  );
}

function Preview({ value }: { value: Schedule }) {
  const now = useNow(60_000);
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (value.cron === undefined)
    return (
      <p className="dim">
        It runs every {duration(parseDuration(value.every ?? ''))}, at a minute of its own within that time, so that not all connections start together.
      </p>
    );
  const cron = parseCron(value.cron);
  if (typeof cron === 'string') return null;
  const runs = nextRuns(cron, value.zone || 'UTC', now, 5);
  return (
    <section className="stack" aria-label="The next runs">
      <h3 className={classes.heading}>The next runs</h3>
      {runs.length === 0 && <p className="dim">None within five years.</p>}
      <ol className={classes.runs}>
        {runs.map((t) => (
          <li key={t}>
            <time dateTime={new Date(t).toISOString()}>{inZone(t, value.zone || 'UTC')}</time>
            {(value.zone || 'UTC') !== here && <span className="dim">{fullTime(t)} for you</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function inZone(at: number, zone: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: zone, weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' }).format(at);
}

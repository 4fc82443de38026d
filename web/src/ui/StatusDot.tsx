import classes from './StatusDot.module.css';
import { statusWord, type Tone } from './status';

/** Shape of a tone, so that colour is never alone. */
function Shape({ tone }: { tone: Tone }) {
  switch (tone) {
    case 'healthy':
      return <circle cx="6" cy="6" r="4.5" />;
    case 'degraded':
      return (
        <>
          <circle cx="6" cy="6" r="3.9" fill="none" stroke="currentColor" strokeWidth="1.4" />
          <path d="M6 2.1a3.9 3.9 0 0 0 0 7.8z" />
        </>
      );
    case 'down':
      return <rect x="1.8" y="1.8" width="8.4" height="8.4" rx="1" />;
    case 'action':
      return <path d="M6 1.2 11.2 10.6H.8z" />;
    case 'paused':
      return (
        <>
          <rect x="2.6" y="2" width="2.4" height="8" rx=".6" />
          <rect x="7" y="2" width="2.4" height="8" rx=".6" />
        </>
      );
    case 'syncing':
      return (
        <>
          <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="2" opacity=".3" />
          <path d="M6 2a4 4 0 0 1 4 4" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" className={classes.turn} />
        </>
      );
    case 'waiting':
      return <circle cx="6" cy="6" r="3.9" fill="none" stroke="currentColor" strokeWidth="1.4" strokeDasharray="2 1.6" />;
  }
}

/** A status as a shape; its word is there for screen readers and as a tooltip. */
export function StatusDot({ status, tone, size = 12 }: { status: string; tone?: Tone; size?: number }) {
  const s = statusWord(status);
  const shown = tone ?? s.tone;
  return (
    <svg viewBox="0 0 12 12" width={size} height={size} className={classes.dot} data-tone={shown} role="img" aria-label={s.word} fill="currentColor">
      <title>{s.word}</title>
      <Shape tone={shown} />
    </svg>
  );
}

/** A status as shape and word. */
export function HealthBadge({ status, word, tone, soft }: { status: string; word?: string; tone?: Tone; soft?: boolean }) {
  const s = statusWord(status);
  const shown = tone ?? s.tone;
  return (
    <span className={classes.badge} data-tone={shown} data-soft={soft || undefined} title={s.means || undefined}>
      <svg viewBox="0 0 12 12" width="11" height="11" className={classes.dot} data-tone={shown} aria-hidden fill="currentColor">
        <Shape tone={shown} />
      </svg>
      {word ?? s.word}
    </span>
  );
}

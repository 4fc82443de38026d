import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../api/client';
import classes from './ErrorCard.module.css';
import { sentence } from './States';
import { Time } from './Time';
import { copyText } from './copy';
import { duration, parseDuration } from './format';
import { IconBook, IconCopy } from './icons';
import { classes as failureClasses } from './status';

/** A failure as everywhere: code, what it means, what to do, the runbook, the evidence. */
export function ErrorCard({ failure, compact, children }: { failure: Schemas['Failure']; compact?: boolean; children?: React.ReactNode }) {
  const kind = failureClasses[failure.class];
  const evidence: [string, React.ReactNode][] = [];
  if (failure.operation) evidence.push(['While', failure.operation]);
  if (failure.stream) evidence.push(['Stream', <code key="s">{failure.stream}</code>]);
  if (failure.at) evidence.push(['When', <Time key="t" at={failure.at} copy />]);
  if (failure.retry_after) evidence.push(['The other side asks to wait', duration(parseDuration(failure.retry_after))]);
  if (failure.cause && failure.cause !== failure.message) evidence.push(['Cause', <code key="c">{failure.cause}</code>]);
  return (
    <div className={classes.card} data-compact={compact || undefined}>
      <div className={classes.head}>
        <code className={classes.code}>{failure.code}</code>
        <span className={classes.kind} title={kind?.means}>
          {kind?.word ?? failure.class}
        </span>
        <span className="dim">{failure.retryable ? 'tried again by itself' : 'not tried again by itself'}</span>
      </div>
      <p className={classes.message}>{sentence(failure.message)}</p>
      {!compact && kind && <p className="dim">{kind.means}</p>}
      {failure.hint && (
        <p className={classes.hint}>
          <b>What to do:</b> {sentence(failure.hint)}
        </p>
      )}
      {!compact && evidence.length > 0 && (
        <dl className={classes.evidence}>
          {evidence.map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      <div className={classes.actions}>
        {failure.runbook && (
          <Button component={Link} to={`/health/runbooks/${encodeURIComponent(failure.runbook)}`} variant="light" leftSection={<IconBook size={14} />}>
            Runbook
          </Button>
        )}
        {!compact && (
          <Button variant="subtle" color="gray" leftSection={<IconCopy size={14} />} onClick={() => copyText(JSON.stringify(failure, null, 2), 'The error')}>
            Copy
          </Button>
        )}
        {children}
      </div>
    </div>
  );
}

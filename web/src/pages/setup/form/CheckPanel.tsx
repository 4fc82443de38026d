import { Button } from '@mantine/core';
import { ErrorCard } from '../../../ui/ErrorCard';
import { ErrorState, sentence } from '../../../ui/States';
import { StatusDot } from '../../../ui/StatusDot';
import { Since } from '../../../ui/Time';
import { duration } from '../../../ui/format';
import { IconCheck } from '../../../ui/icons';
import type { Check } from '../model/useCheck';
import classes from './CheckPanel.module.css';

/** How the check of what is filled in stands; it is told to screen readers as it changes. */
export function CheckPanel({ check, onTry, system, missing }: { check: Check; onTry: () => void; system: string; missing: number }) {
  return (
    <div className={classes.panel} data-phase={check.phase}>
      <div role="status" aria-live="polite">
        <Line check={check} system={system} missing={missing} />
      </div>
      {check.phase === 'failed' && (
        <ErrorCard failure={check.failure} compact>
          <Button variant="default" onClick={onTry}>
            Try again
          </Button>
        </ErrorCard>
      )}
      {check.phase === 'refused' && check.error.fields.length === 0 && <ErrorState error={check.error} what="The check could not be made" onRetry={onTry} />}
    </div>
  );
}

function Line({ check, system, missing }: { check: Check; system: string; missing: number }) {
  switch (check.phase) {
    case 'idle':
      return <p className={classes.line}>{missing > 0 ? `The check runs by itself as soon as what is needed is filled in.` : 'Correct what is marked: the check then runs by itself.'}</p>;
    case 'waiting':
      return <p className={classes.line}>The check starts when you stop typing.</p>;
    case 'running':
      return (
        <p className={classes.line}>
          <StatusDot status="syncing" />
          <span>
            {check.operation?.message ? sentence(check.operation.message).replace(/\.$/, '') : `Connecting to ${system}`}, for <Since at={check.since} />
          </span>
        </p>
      );
    case 'passed':
      return (
        <p className={classes.line} data-good>
          <IconCheck size={16} aria-hidden />
          <span>
            Connected to {system} <span className="dim">in {duration(check.took)}</span>
          </span>
        </p>
      );
    case 'failed':
      return <p className={classes.line}>The check failed: see what to do.</p>;
    case 'refused':
      return <p className={classes.line}>{check.error.fields.length > 0 ? 'The settings are not complete: see the marked fields.' : 'The check could not be made.'}</p>;
  }
}

import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useMay } from '../../api/me';
import { PageFrame } from '../../ui/PageFrame';
import { EmptyState } from '../../ui/States';
import { IconCheck } from '../../ui/icons';
import { useUrl, type Url } from '../../ui/useUrl';
import classes from './Setup.module.css';
import { useDraft } from './model/draft';
import { CheckStep } from './steps/CheckStep';
import { DestinationStep } from './steps/DestinationStep';
import { DiscoverStep } from './steps/DiscoverStep';
import { FirstSync } from './steps/FirstSync';
import { ReviewStep } from './steps/ReviewStep';
import { ScheduleStep } from './steps/ScheduleStep';
import { SourceStep } from './steps/SourceStep';
import { StreamsStep } from './steps/StreamsStep';

const steps = [
  { id: 'source', word: 'Source', needs: [] },
  { id: 'check', word: 'Check', needs: ['connector|source'] },
  { id: 'discover', word: 'Discover', needs: ['source'] },
  { id: 'streams', word: 'Streams', needs: ['source'] },
  { id: 'destination', word: 'Destination', needs: ['source'] },
  { id: 'schedule', word: 'Schedule', needs: ['source', 'destination'] },
  { id: 'review', word: 'Review', needs: ['source', 'destination'] },
] as const;

type Step = (typeof steps)[number]['id'];

const has = (url: Url, need: string) => need.split('|').some((n) => url[n]);

/** The step of an address; one that lacks what it needs is the last that does not. */
export function stepOf(url: Url): Step {
  const wanted = steps.findIndex((s) => s.id === url.step);
  for (let i = Math.max(0, wanted); i > 0; i--) if (steps[i]!.needs.every((n) => has(url, n))) return steps[i]!.id;
  return 'source';
}

export function Page() {
  const [url] = useUrl();
  const may = useMay('edit');
  if (!may)
    return (
      <PageFrame title="New connection">
        <EmptyState title="You may look, but not set up">Setting up connections takes the role of an admin. Ask an owner of this installation for it.</EmptyState>
      </PageFrame>
    );
  if (url.connection) return <FirstSync id={url.connection} />;
  return <Wizard url={url} />;
}

function Wizard({ url }: { url: Url }) {
  const step = stepOf(url);
  const { draft, set } = useDraft();
  useEffect(() => {
    // The first step alone is nothing that one would come back to.
    if (step !== 'source') set({ at: { ...url, step } });
  }, [url, step, set]);
  return (
    <PageFrame title="New connection" summary="Data from a source, into a destination, by a schedule">
      <div className={classes.layout}>
        <Steps url={url} at={step} />
        <div className={classes.panel}>
          {step === 'source' && draft.at && <Resume at={draft.at} />}
          <Current key={`${step} ${url.source ?? ''} ${url.connector ?? ''}`} step={step} />
        </div>
      </div>
    </PageFrame>
  );
}

function Current({ step }: { step: Step }) {
  switch (step) {
    case 'source':
      return <SourceStep />;
    case 'check':
      return <CheckStep />;
    case 'discover':
      return <DiscoverStep />;
    case 'streams':
      return <StreamsStep />;
    case 'destination':
      return <DestinationStep />;
    case 'schedule':
      return <ScheduleStep />;
    case 'review':
      return <ReviewStep />;
  }
}

function Steps({ url, at }: { url: Url; at: Step }) {
  const current = steps.findIndex((s) => s.id === at);
  return (
    <nav aria-label="Steps of the set-up">
      <ol className={classes.steps}>
        {steps.map((s, i) => {
          const done = i < current;
          const inside = (
            <>
              <span className={classes.mark} aria-hidden>
                {done ? <IconCheck size={12} stroke={3} /> : i + 1}
              </span>
              <span className={classes.word}>
                {s.word}
                {done && <span className="sr">, done</span>}
              </span>
            </>
          );
          return (
            <li key={s.id} className={classes.step} data-done={done || undefined}>
              {done || (i !== current && s.needs.every((n) => has(url, n))) ? (
                <Link to="/setup" search={{ ...url, step: s.id }} className={classes.link} activeProps={{ 'aria-current': undefined }}>
                  {inside}
                </Link>
              ) : (
                <span className={classes.link} aria-current={i === current ? 'step' : undefined}>
                  {inside}
                </span>
              )}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/** A set-up that was left can be gone on with where it was. */
function Resume({ at }: { at: Url }) {
  const { draft, clear } = useDraft();
  const word = steps.find((s) => s.id === at.step)?.word ?? 'Source';
  return (
    <div className={classes.resume}>
      <span className="grow">
        You left a set-up{draft.source?.name ? <> of {draft.source.name}</> : ''} at the step {word}. Nothing of it is lost, but secrets that were not saved.
      </span>
      <Button component={Link} to="/setup" search={at as never} variant="filled">
        Go on
      </Button>
      <Button variant="default" onClick={clear}>
        Forget it
      </Button>
    </div>
  );
}

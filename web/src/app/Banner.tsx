import { Button } from '@mantine/core';
import { useNow } from '../ui/Time';
import { duration } from '../ui/format';
import classes from './Shell.module.css';
import type { Connection } from './live';

/** Says that the server is not reached: what is shown may be old. It goes by itself. */
export function Banner({ live }: { live: Connection }) {
  return (
    <div role="status" aria-live="polite" className={classes.bannerPlace}>
      {live.state === 'lost' && (
        <div className={classes.banner}>
          <span className="grow">
            The connection to the server is lost; what you see is as it was then. <NextTry at={live.retryAt} />
          </span>
          <Button size="compact-xs" variant="white" onClick={live.retry}>
            Try now
          </Button>
        </div>
      )}
    </div>
  );
}

function NextTry({ at }: { at: number | null }) {
  const left = (at ?? 0) - useNow(1000);
  return <span aria-hidden>{left > 1500 ? `Next try in ${duration(Math.round(left / 1000) * 1000).replace('.0', '')}.` : 'Trying again.'}</span>;
}

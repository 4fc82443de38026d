import { Button } from '@mantine/core';
import { Link, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { LoadingState, ErrorState } from '../ui/States';
import { PageFrame } from '../ui/PageFrame';

export function Pending() {
  return (
    <PageFrame title="Loading">
      <LoadingState />
    </PageFrame>
  );
}

/** What a page shows that failed in itself: the server has a new version, or a mistake of ours. */
export function Failed({ error }: { error: unknown }) {
  const router = useRouter();
  // Files of the version before are gone once the server has been updated.
  const updated = error instanceof TypeError && /module|import|fetch/i.test(error.message);
  useEffect(() => {
    console.error(error);
  }, [error]);
  if (updated)
    return (
      <PageFrame title="Sluice was updated">
        <p>This page belongs to a version that is no longer served.</p>
        <div>
          <Button mt="sm" onClick={() => location.reload()}>
            Load the new version
          </Button>
        </div>
      </PageFrame>
    );
  return (
    <PageFrame title="This page failed">
      <ErrorState error={error} onRetry={() => void router.invalidate()} />
    </PageFrame>
  );
}

export function NotFound() {
  return (
    <PageFrame title="There is nothing here">
      <p>
        The address may have been typed wrongly, or what it showed was deleted. <Link to="/">Go to flight control</Link>.
      </p>
    </PageFrame>
  );
}

import { Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { asApiError } from '../api/client';
import classes from './States.module.css';
import { IconAlert, IconRefresh } from './icons';

/** Lines that stand for what is being read; only after a moment, so that nothing flickers. */
export function LoadingState({ lines = 6, label = 'Loading' }: { lines?: number; label?: string }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" className={classes.loading} data-shown={shown || undefined}>
      <span className="sr">{label}</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className={classes.bar} data-w={i % 4} />
      ))}
    </div>
  );
}

/** Says what goes here, and the one thing to do about it. */
export function EmptyState({ title, children, action, icon }: { title: string; children?: ReactNode; action?: ReactNode; icon?: ReactNode }) {
  return (
    <div className={classes.empty}>
      {icon && <div className={classes.icon}>{icon}</div>}
      <p className={classes.title}>{title}</p>
      {children && <div className={classes.text}>{children}</div>}
      {action && <div className={classes.action}>{action}</div>}
    </div>
  );
}

/** What could not be read or done, why, and what to do; its code and request name it to operators. */
export function ErrorState({ error, onRetry, what }: { error: unknown; onRetry?: () => void; what?: string }) {
  const e = asApiError(error);
  return (
    <div role="alert" className={classes.error}>
      <IconAlert size={18} className={classes.errorIcon} aria-hidden />
      <div className="grow">
        <p className={classes.title}>{what ?? (e.status === 403 ? 'You may not see this' : e.status === 404 ? 'This is not there' : 'This could not be read')}</p>
        <p className={classes.text}>{sentence(e.message)}</p>
        {e.fields.length > 0 && (
          <ul className={classes.fields}>
            {e.fields.map((f) => (
              <li key={f.location + f.message}>
                <code>{f.location}</code> {f.message}
              </li>
            ))}
          </ul>
        )}
        {e.hint && <p className={classes.text}>{sentence(e.hint)}</p>}
        <p className={classes.code}>
          <code>{e.code}</code>
          {e.requestId && (
            <>
              {' · request '}
              <code>{e.requestId}</code>
            </>
          )}
        </p>
        {onRetry && (
          <Button mt="xs" variant="default" leftSection={<IconRefresh size={14} />} onClick={onRetry}>
            Try again
          </Button>
        )}
      </div>
    </div>
  );
}

/** A line above data that are shown although their latest reading failed, or not all are there. */
export function PartialNote({ children, onRetry }: { children: ReactNode; onRetry?: () => void }) {
  return (
    <div role="status" className={classes.partial}>
      <IconAlert size={14} aria-hidden />
      <span className="grow">{children}</span>
      {onRetry && (
        <Button variant="subtle" size="compact-xs" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** A sentence: a capital first, a full stop last. */
export function sentence(text: string): string {
  const t = text.trim();
  if (t === '') return t;
  return t[0]!.toUpperCase() + t.slice(1) + (/[.!?…:]$/.test(t) ? '' : '.');
}

type Result<T> = Pick<UseQueryResult<T>, 'data' | 'error' | 'isPending' | 'refetch'>;

/**
 * Shows a query in all its states: loading, failed, and failed after it had been
 * read (the data stay, with a note). What is empty, the children say.
 */
export function Load<T>({ query, lines, children }: { query: Result<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (query.data !== undefined)
    return (
      <>
        {query.error && <PartialNote onRetry={() => void query.refetch()}>This is as it was last read; reading it again failed: {query.error.message}</PartialNote>}
        {children(query.data)}
      </>
    );
  if (query.error) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return <LoadingState lines={lines} />;
}

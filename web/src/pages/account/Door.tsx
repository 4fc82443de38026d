import type { ReactNode } from 'react';
import { useEffect } from 'react';
import classes from './Door.module.css';

/** The frame of pages for who is not signed in yet. */
export function Door({ title, children, what }: { title: string; what?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Sluice`;
  }, [title]);
  return (
    <main className={classes.door}>
      <div className={classes.inner}>
        <svg viewBox="0 0 32 32" width="36" height="36" aria-hidden>
          <rect width="32" height="32" rx="7" fill="var(--accent)" />
          <path d="M7 11c3 0 3 2.5 6 2.5S16 11 19 11s3 2.5 6 2.5M7 17c3 0 3 2.5 6 2.5s3-2.5 6-2.5 3 2.5 6 2.5M7 23h18" fill="none" stroke="var(--on-accent)" strokeWidth="2.4" strokeLinecap="round" />
        </svg>
        <h1 className={classes.title}>{title}</h1>
        {what && <p className="dim">{what}</p>}
        {children}
      </div>
    </main>
  );
}

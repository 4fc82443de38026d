import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, type ReactNode } from 'react';
import type { Url } from '../../ui/useUrl';
import { IconArrowRight } from '../../ui/icons';
import classes from './Setup.module.css';

interface Props {
  title: string;
  lead: ReactNode;
  back?: Url;
  /** The button that leads on; none where choosing does. */
  next?: string;
  busy?: boolean;
  disabled?: boolean;
  /** Further actions, before the button that leads on. */
  more?: ReactNode;
  onNext?: () => void;
  /** Whether the fields are there already; the first of them gets the focus when they are. */
  ready?: boolean;
  children: ReactNode;
}

/**
 * A step: what it is about, its fields, and the way back and on. Enter in a field
 * leads on. The first field gets the focus, so that hands can stay on the keys.
 */
export function StepFrame({ title, lead, back, next, busy, disabled, more, onNext, ready = true, children }: Props) {
  const frame = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // Who has gone elsewhere in the meantime stays there.
    const there = document.activeElement;
    if (there && there !== document.body && !['H2', 'MAIN'].includes(there.tagName) && frame.current?.contains(there)) return;
    const first = frame.current?.querySelector<HTMLElement>('[data-first], input:not([type=hidden]):not([disabled]):not([tabindex="-1"]), textarea:not([disabled])');
    (first ?? frame.current?.querySelector<HTMLElement>('h2'))?.focus({ preventScroll: true });
  }, [title, ready]);
  return (
    <form
      ref={frame}
      className={classes.panel}
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        if (!busy && !disabled) onNext?.();
      }}
    >
      <div className={classes.lead}>
        <h2 className={classes.title} tabIndex={-1}>
          {title}
        </h2>
        <p className="dim">{lead}</p>
      </div>
      {children}
      {(back || next || more) && <div className={classes.foot}>
        {back && (
          <Button component={Link} to="/setup" search={back as never} variant="default">
            Back
          </Button>
        )}
        <div className={classes.footRight}>
          {more}
          {next && (
            <Button type="submit" loading={busy} disabled={disabled} rightSection={<IconArrowRight size={15} />}>
              {next}
            </Button>
          )}
        </div>
      </div>}
    </form>
  );
}

import { useEffect, type ReactNode } from 'react';
import classes from './PageFrame.module.css';

interface Props {
  title: ReactNode;
  /** The title of the browser's tab, where `title` is not a text. */
  tabTitle?: string;
  /** One line that says in numbers how things are. */
  summary?: ReactNode;
  /** Where this belongs, above the title: usually a link. */
  above?: ReactNode;
  /** The primary action last. */
  actions?: ReactNode;
  /** Links to the parts of the page: see LinkTabs. */
  tabs?: ReactNode;
  /** Fills the height of the window; its content scrolls by itself. */
  fill?: boolean;
  children?: ReactNode;
}

/** A page: its heading, a line of numbers, the actions, and what it shows. */
export function PageFrame({ title, tabTitle, summary, above, actions, tabs, fill, children }: Props) {
  const text = tabTitle ?? (typeof title === 'string' ? title : 'Sluice');
  useEffect(() => {
    document.title = text === 'Sluice' ? text : `${text} · Sluice`;
  }, [text]);
  return (
    <div className={classes.page} data-fill={fill || undefined}>
      <div className={classes.head} data-tabs={tabs ? true : undefined}>
        {above && <div className={classes.above}>{above}</div>}
        <div className={classes.line}>
          <h1 className={classes.title} tabIndex={-1}>
            {title}
          </h1>
          {summary !== undefined && <div className={classes.summary}>{summary}</div>}
          {actions && <div className={classes.actions}>{actions}</div>}
        </div>
        {tabs}
      </div>
      <div className={classes.body}>{children}</div>
    </div>
  );
}

/** A part of a page, under a heading of its own, set off by a hairline and not by a box. */
export function Section({ title, summary, actions, children, flush }: { title: ReactNode; summary?: ReactNode; actions?: ReactNode; children?: ReactNode; flush?: boolean }) {
  return (
    <section className={classes.section}>
      <div className={classes.sectionHead}>
        <h2 className={classes.sectionTitle}>{title}</h2>
        {summary !== undefined && <span className="dim">{summary}</span>}
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      <div className={flush ? undefined : classes.sectionBody}>{children}</div>
    </section>
  );
}

/** Names and values, as of settings. */
export function Facts({ items }: { items: readonly (readonly [label: string, value: ReactNode])[] }) {
  return (
    <dl className={classes.facts}>
      {items.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

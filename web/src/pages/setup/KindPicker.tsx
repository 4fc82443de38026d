import { UnstyledButton } from '@mantine/core';
import type { Kind, Role } from './model/endpoints';
import { Monogram } from './Monogram';
import classes from './KindPicker.module.css';

/** What connectors are for, in a few words; the rest of their docs is in the catalogue. */
export const about: Record<string, string> = {
  'source file': 'CSV, JSON and Parquet files, here or on the web',
  'source github': 'Repositories, issues, pull requests, runs',
  'source postgres': 'Tables and views, whole or by a cursor',
  'source shop': 'A made-up shop to try Sluice with',
  'destination duckdb': 'One file to query anywhere; nothing to install',
  'destination postgres': 'A PostgreSQL database',
};

export function KindPicker({ side, kinds, onPick, label }: { side: Role; kinds: readonly Kind[]; onPick: (kind: Kind) => void; label: string }) {
  return (
    <ul className={classes.grid} aria-label={label}>
      {kinds.map((k) => (
        <li key={k.name}>
          <UnstyledButton className={classes.tile} onClick={() => onPick(k)} disabled={k.untrusted} data-kind={k.name}>
            <Monogram name={k.title} />
            <span className={classes.text}>
              <span className={classes.name}>{k.title}</span>
              <span className={classes.about}>{k.untrusted ? 'A plugin that nobody has trusted yet: sluice connector trust' : (about[`${side} ${k.name}`] ?? (k.plugin ? `Plugin, ${k.version}` : k.name))}</span>
            </span>
          </UnstyledButton>
        </li>
      ))}
    </ul>
  );
}

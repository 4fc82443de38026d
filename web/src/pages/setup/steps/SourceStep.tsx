import { TextInput, UnstyledButton } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Load, EmptyState } from '../../../ui/States';
import { HealthBadge } from '../../../ui/StatusDot';
import { plural } from '../../../ui/format';
import { IconSearch } from '../../../ui/icons';
import { useUrl } from '../../../ui/useUrl';
import { KindPicker } from '../KindPicker';
import pick from '../KindPicker.module.css';
import { Monogram } from '../Monogram';
import { StepFrame } from '../StepFrame';
import { useDraft } from '../model/draft';
import { endpointsQuery, kindsQuery, type Endpoint, type Kind } from '../model/endpoints';
import classes from './steps.module.css';

/** Sources that are shown before one searches for more. */
const shown = 9;

/** Where the data come from: a source that is there, or a connector for a new one. */
export function SourceStep() {
  const [url, set] = useUrl();
  const client = useQueryClient();
  const kinds = useQuery(kindsQuery('source'));
  const sources = useQuery(endpointsQuery('source'));
  const { set: keep } = useDraft();
  const [text, setText] = useState('');
  const search = text.trim().toLowerCase();
  const fits = (...texts: string[]) => texts.some((t) => t.toLowerCase().includes(search));
  const pickKind = (k: Kind) => {
    keep({ source: undefined, choice: undefined, choiceOf: undefined, name: undefined, schema: undefined });
    set({ ...url, step: 'check', connector: k.name, source: undefined, op: undefined }, { push: true });
  };
  const pickSource = (s: Endpoint) => set({ ...url, step: s.setup_state === 'connected' ? 'discover' : 'check', connector: undefined, source: s.id, op: undefined }, { push: true });
  // Whoever types faster than the lists come waits for them.
  const takeFirst = async () => {
    const kind = (await client.ensureQueryData(kindsQuery('source'))).find((k) => !k.untrusted && fits(k.title, k.name));
    if (kind) return pickKind(kind);
    const source = (await client.ensureQueryData(endpointsQuery('source'))).find((s) => fits(s.name));
    if (source) pickSource(source);
  };
  return (
    <StepFrame
      title="Where does the data come from?"
      lead="Choose a connector for a new source, or a source that is already there."
      onNext={() => void takeFirst()}
    >
      <TextInput aria-label="Search connectors and sources" placeholder="Search connectors and sources; Enter takes the first" size="sm" type="search" leftSection={<IconSearch size={15} />} value={text} onChange={(e) => setText(e.currentTarget.value)} className={classes.search} />
      <Load query={kinds}>
        {(all) => {
          const found = all.filter((k) => fits(k.title, k.name));
          return (
            <section className="stack" aria-label="New source">
              <h3 className={classes.heading}>New source</h3>
              {found.length > 0 ? <KindPicker side="source" kinds={found} onPick={pickKind} label="Connectors" /> : <p className="dim">No connector is called so. There are {all.length}.</p>}
            </section>
          );
        }}
      </Load>
      <Load query={sources} lines={3}>
        {(all) => {
          const found = all.filter((s) => fits(s.name, s.connector, s.team));
          if (all.length === 0) return null;
          return (
            <section className="stack" aria-label="Existing sources">
              <h3 className={classes.heading}>
                Sources that are there <span className="dim">{plural(all.length, 'source')}</span>
              </h3>
              {found.length === 0 && <EmptyState title="No source is called so" />}
              <ul className={pick.grid}>
                {found.slice(0, search ? 60 : shown).map((s) => (
                  <li key={s.id}>
                    <UnstyledButton className={pick.tile} onClick={() => pickSource(s)}>
                      <Monogram name={kinds.data?.find((k) => k.name === s.connector)?.title ?? s.connector} />
                      <span className={pick.text}>
                        <span className={pick.name}>{s.name}</span>
                        <span className={pick.about}>
                          <HealthBadge status={s.setup_state} /> · {s.connector}
                        </span>
                      </span>
                    </UnstyledButton>
                  </li>
                ))}
              </ul>
              {found.length > (search ? 60 : shown) && <p className="dim">{plural(found.length - (search ? 60 : shown), 'more source')}: search to find them.</p>}
            </section>
          );
        }}
      </Load>
    </StepFrame>
  );
}

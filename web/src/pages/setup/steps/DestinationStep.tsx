import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Load } from '../../../ui/States';
import { HealthBadge } from '../../../ui/StatusDot';
import { useUrl } from '../../../ui/useUrl';
import { KindPicker } from '../KindPicker';
import pick from '../KindPicker.module.css';
import { Monogram } from '../Monogram';
import { StepFrame } from '../StepFrame';
import { endpointsQuery, freeName, kindsQuery, type Endpoint, type Kind } from '../model/endpoints';
import { NewEndpoint } from './NewEndpoint';
import classes from './steps.module.css';

/** Where the data go: a destination that is there, or a new one. */
export function DestinationStep() {
  const [url, set] = useUrl();
  const kinds = useQuery(kindsQuery('destination'));
  const there = useQuery(endpointsQuery('destination'));
  const on = (id: string) => set({ ...url, step: 'schedule', destination: id, kind: undefined, edit: undefined }, { push: true });
  return (
    <Load query={kinds}>
      {(all) => (
        <Load query={there}>
          {(destinations) => {
            const names = destinations.map((d) => d.name);
            const existing = url.edit ? destinations.find((d) => d.id === url.edit) : undefined;
            const kind = all.find((k) => k.name === (existing?.connector ?? url.kind));
            const back = { ...url, kind: undefined, edit: undefined };
            if (kind) return <NewEndpoint key={kind.name} side="destination" kind={kind} existing={existing} name={freeName('warehouse', names)} title={existing ? `Check the destination ${existing.name}` : `A new ${kind.title} destination`} back={back} onSaved={(d) => on(d.id)} />;
            return <Choose destinations={destinations} kinds={all} onPick={on} onCheck={(d) => set({ ...url, edit: d.id }, { push: true })} onNew={(k) => set({ ...url, kind: k.name }, { push: true })} />;
          }}
        </Load>
      )}
    </Load>
  );
}

function Choose({ destinations, kinds, onPick, onNew, onCheck }: { destinations: Endpoint[]; kinds: Kind[]; onPick: (id: string) => void; onNew: (k: Kind) => void; onCheck: (d: Endpoint) => void }) {
  const [url] = useUrl();
  const good = destinations.filter((d) => d.setup_state === 'connected');
  const [chosen, setChosen] = useState(url.destination ?? (good.length === 1 ? good[0]!.id : undefined));
  const picked = destinations.find((d) => d.id === chosen);
  return (
    <StepFrame
      title="Where does the data go?"
      lead={destinations.length > 0 ? 'Choose a destination that is there, or make a new one.' : 'There is no destination yet: make the first one.'}
      back={{ ...url, step: 'streams', kind: undefined }}
      next={destinations.length > 0 ? 'Continue' : undefined}
      disabled={!picked || picked.setup_state === 'broken'}
      onNext={() => picked && onPick(picked.id)}
      more={
        picked?.setup_state !== 'connected' && picked ? (
          <Button variant="default" onClick={() => onCheck(picked)}>
            Check it
          </Button>
        ) : undefined
      }
    >
      {destinations.length > 0 && (
        <fieldset className={pick.grid} style={{ border: 0 }}>
          <legend className="sr">Destinations that are there</legend>
          {destinations.map((d) => (
            <label key={d.id} className={classes.radio}>
              <input type="radio" name="destination" value={d.id} checked={d.id === chosen} onChange={() => setChosen(d.id)} />
              <span className={pick.tile}>
                <Monogram name={kinds.find((k) => k.name === d.connector)?.title ?? d.connector} />
                <span className={pick.text}>
                  <span className={pick.name}>{d.name}</span>
                  <span className={pick.about}>
                    <HealthBadge status={d.setup_state} /> · {kinds.find((k) => k.name === d.connector)?.title ?? d.connector}
                  </span>
                </span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <section className="stack" aria-label="New destination">
        {destinations.length > 0 && <h3 className={classes.heading}>New destination</h3>}
        <KindPicker side="destination" kinds={kinds} onPick={onNew} label="Kinds of destinations" />
      </section>
    </StepFrame>
  );
}

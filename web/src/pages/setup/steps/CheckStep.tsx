import { useQuery } from '@tanstack/react-query';
import { Load } from '../../../ui/States';
import { useUrl } from '../../../ui/useUrl';
import { endpointQuery, endpointsQuery, freeName, kindsQuery, type Endpoint } from '../model/endpoints';
import { NewEndpoint } from './NewEndpoint';

/** The settings of the source, tried as they are filled in. */
export function CheckStep() {
  const [url, set] = useUrl();
  const kinds = useQuery(kindsQuery('source'));
  const sources = useQuery(endpointsQuery('source'));
  const existing = useQuery(endpointQuery('source', url.source ?? ''));
  const saved = (s: Endpoint) => set({ ...url, step: 'discover', connector: undefined, source: s.id, op: undefined }, { push: true });
  const back = { ...url, step: 'source' };
  return (
    <Load query={kinds}>
      {(all) =>
        url.source ? (
          <Load query={existing}>
            {({ value }) => {
              const kind = all.find((k) => k.name === value.connector);
              if (!kind) return <p>The connector {value.connector} of this source is not installed here.</p>;
              return <NewEndpoint side="source" kind={kind} existing={value} name={value.name} title={`Check the source ${value.name}`} back={back} onSaved={saved} />;
            }}
          </Load>
        ) : (
          <Load query={sources}>
            {(there) => {
              const kind = all.find((k) => k.name === url.connector);
              if (!kind) return <p>There is no connector {url.connector}.</p>;
              return <NewEndpoint side="source" kind={kind} name={freeName(kind.title, there.map((s) => s.name))} title={`Connect to ${/^[A-Z][a-z]+ [a-z]/.test(kind.title) ? `a ${kind.title.toLowerCase()}` : kind.title}`} back={back} onSaved={saved} />;
            }}
          </Load>
        )
      }
    </Load>
  );
}

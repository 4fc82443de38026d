import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { plural } from '../../ui/format';
import { IconSearch } from '../../ui/icons';
import { useUrl } from '../../ui/useUrl';
import { about } from '../setup/KindPicker';
import pick from '../setup/KindPicker.module.css';
import { Monogram } from '../setup/Monogram';
import { kindsQuery, type Role } from '../setup/model/endpoints';
import classes from './catalogue.module.css';

/** Every kind of source and destination of this installation, each with its reference. */
export function Page() {
  const [url, set] = useUrl();
  const [text, setText] = useState(url.q ?? '');
  const sources = useQuery(kindsQuery('source'));
  const destinations = useQuery(kindsQuery('destination'));
  return (
    <PageFrame title="Catalogue" summary={sources.data && destinations.data ? `${plural(sources.data.length, 'connector')}, ${plural(destinations.data.length, 'kind of destination', 'kinds of destinations')}` : undefined}>
      <TextInput
        type="search"
        aria-label="Search the catalogue"
        placeholder="Search the catalogue"
        size="sm"
        className={classes.search}
        leftSection={<IconSearch size={15} />}
        value={text}
        onChange={(e) => {
          setText(e.currentTarget.value);
          set({ q: e.currentTarget.value });
        }}
      />
      <Kinds side="source" search={text} query={sources} />
      <Kinds side="destination" search={text} query={destinations} />
      <p className="dim">
        Further connectors are plugins: <code>sluice connector trust NAME</code> lets one in after you have looked at where it comes from.
      </p>
    </PageFrame>
  );
}

function Kinds({ side, search, query }: { side: Role; search: string; query: ReturnType<typeof useQuery<Awaited<ReturnType<NonNullable<ReturnType<typeof kindsQuery>['queryFn']>>>>> }) {
  const q = search.trim().toLowerCase();
  return (
    <Section title={side === 'source' ? 'Sources' : 'Destinations'}>
      <Load query={query} lines={3}>
        {(all) => {
          const found = all.filter((k) => [k.title, k.name, about[`${side} ${k.name}`] ?? ''].some((t) => t.toLowerCase().includes(q)));
          if (found.length === 0) return <EmptyState title="None is called so" />;
          return (
            <ul className={pick.grid}>
              {found.map((k) => (
                <li key={k.name}>
                  <Link to="/catalogue/$role/$kind" params={{ role: `${side}s`, kind: k.name }} className={`${pick.tile} ${classes.tile}`}>
                    <Monogram name={k.title} />
                    <span className={pick.text}>
                      <span className={pick.name}>{k.title}</span>
                      <span className={pick.about}>{k.untrusted ? 'Not trusted yet: it cannot be used' : (about[`${side} ${k.name}`] ?? k.name)}</span>
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          );
        }}
      </Load>
    </Section>
  );
}

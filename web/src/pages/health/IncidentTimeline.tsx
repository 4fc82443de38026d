import { Button, Textarea } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { incidentTimelineQuery, type Incident } from '../../api/health';
import { useMay } from '../../api/me';
import { CopyAs } from '../../ui/CopyAs';
import { Section } from '../../ui/PageFrame';
import { Load, sentence } from '../../ui/States';
import { Time } from '../../ui/Time';
import { ofIncidents, useChange } from '../../ui/useChange';
import classes from './Incidents.module.css';

/** What happened to the incident, the latest first, and a place to add to it. */
export function Timeline({ incident: i }: { incident: Incident }) {
  const query = useInfiniteQuery(incidentTimelineQuery(i.id));
  return (
    <Section title="What happened">
      <Comment incident={i} />
      <Load query={query}>
        {(data) => (
          <>
            <ul className={classes.events}>
              {data.pages
                .flatMap((p) => p.items)
                .map((e) => (
                  <li key={e.id}>
                    <span className={classes.when}>
                      <Time at={e.at} />
                    </span>
                    <Said event={e} />
                  </li>
                ))}
            </ul>
            {query.hasNextPage && (
              <Button mt="sm" variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                Show older
              </Button>
            )}
          </>
        )}
      </Load>
    </Section>
  );
}

function Said({ event: e }: { event: Schemas['IncidentEvent'] }) {
  return (
    <span>
      <span className={classes.text}>{e.message ? sentence(e.message) : sentence(e.kind.replaceAll('_', ' '))}</span>
      <span className="dim">
        {' '}
        {e.actor_name ?? (e.actor_id ? e.actor_id : 'The health tracker')}
        {e.connection_id && (
          <>
            {' · '}
            <Link to="/connections/$id" params={{ id: e.connection_id }}>
              connection
            </Link>
          </>
        )}
      </span>
    </span>
  );
}

function Comment({ incident: i }: { incident: Incident }) {
  const may = useMay('run');
  const [text, setText] = useState('');
  const add = useChange(
    ofIncidents,
    () => body(api.POST('/api/v1/incidents/{incident}/comments', { params: { path: { incident: i.id } }, body: { text: text.trim() } })),
    'The comment is kept, and goes to the tickets',
    () => setText(''),
  );
  if (!may) return null;
  return (
    <form
      className="stack"
      style={{ gap: 8, marginBottom: 12 }}
      onSubmit={(e) => {
        e.preventDefault();
        add.mutate();
      }}
    >
      <Textarea label="Comment" description="Kept here and added to the tickets." value={text} onChange={(e) => setText(e.currentTarget.value)} autosize minRows={2} maxLength={20_000} />
      <div className="row">
        <Button type="submit" variant="default" loading={add.isPending} disabled={text.trim() === ''}>
          Add the comment
        </Button>
        <CopyAs call={{ method: 'POST', path: `/api/v1/incidents/${i.number}/comments`, body: { text: text.trim() } }} />
      </div>
    </form>
  );
}

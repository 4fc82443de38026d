import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { incidentQuery, ticketQuery } from '../../api/health';
import { ErrorCard } from '../../ui/ErrorCard';
import { Facts, Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { Time } from '../../ui/Time';
import type { Schemas } from '../../api/client';
import classes from './Incidents.module.css';
import { State, Tracker, outsideOf } from './TicketTable';
import { IconExternal } from '../../ui/icons';

export function Page() {
  const { id } = useParams({ from: '/shell/health/tickets/$id' });
  const query = useQuery(ticketQuery(id));
  return <Load query={query}>{(t) => <Detail ticket={t} />}</Load>;
}

function Detail({ ticket: t }: { ticket: Schemas['Ticket'] }) {
  const outside = outsideOf(t);
  const incident = useQuery(incidentQuery(t.incident_id));
  return (
    <>
      <div className={classes.head}>
        <Link to="/health/tickets">Tickets</Link>
        <h2 className={classes.title}>{t.key ?? (t.tracker_id === 'internal' ? 'Ticket kept here' : 'Ticket that is not created yet')}</h2>
        <State ticket={t} />
        {outside && (
          <a href={outside} target="_blank" rel="noreferrer noopener" className="row">
            Where it was filed <IconExternal size={14} aria-hidden />
          </a>
        )}
      </div>
      {t.problem && <ErrorCard failure={t.problem} />}
      <Section title="At a glance">
        <Facts
          items={[
            [
              'Incident',
              <Link key="i" to="/health/incidents/$id" params={{ id: t.incident_id }}>
                {incident.data ? `#${incident.data.value.number} ${incident.data.value.title}` : t.incident_id}
              </Link>,
            ],
            ['Tracker', <Tracker key="t" ticket={t} />],
            ['Filed', <Time key="c" at={t.created_at} copy />],
            ['Created there', <Time key="o" at={t.opened_at} otherwise="not yet" />],
            ['Last comment', <Time key="m" at={t.commented_at} otherwise="none" />],
            ['Closed', <Time key="x" at={t.closed_at} otherwise="not yet" />],
            ['Came back', t.reopened > 0 ? `${t.reopened} ×` : 'never'],
            ['Id', <code key="id">{t.id}</code>],
          ]}
        />
      </Section>
    </>
  );
}

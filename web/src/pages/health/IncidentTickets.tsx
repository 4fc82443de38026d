import { useInfiniteQuery } from '@tanstack/react-query';
import { ticketsQuery, type Incident } from '../../api/health';
import { Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { TicketTable } from './TicketTable';

/** Where the incident was filed. */
export function IncidentTickets({ incident: i }: { incident: Incident }) {
  const query = useInfiniteQuery(ticketsQuery({ incident_id: i.id }));
  return (
    <Section title="Tickets">
      <Load query={query} lines={2}>
        {(data) => {
          const tickets = data.pages.flatMap((p) => p.items);
          if (tickets.length === 0)
            return <p className="dim">Not filed: none of its connections has been down past its threshold yet.</p>;
          return <TicketTable tickets={tickets} />;
        }}
      </Load>
    </Section>
  );
}

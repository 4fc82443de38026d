import { useInfiniteQuery } from '@tanstack/react-query';
import { ticketsQuery, type TicketsQuery } from '../../api/health';
import { readMore } from '../../api/pages';
import { EmptyState, Load } from '../../ui/States';
import { useUrl } from '../../ui/useUrl';
import { Choice } from './Choice';
import classes from './Incidents.module.css';
import { TicketTable, ticketStates } from './TicketTable';

export function Page() {
  const [url] = useUrl();
  const query = useInfiniteQuery(ticketsQuery(url.state ? { state: url.state as NonNullable<TicketsQuery['state']> } : {}));
  return (
    <>
      <div className={classes.bar}>
        <Choice name="state" label="State" otherwise="Any state" options={Object.entries(ticketStates).map(([value, s]) => ({ value, label: s.word }))} />
      </div>
      <Load query={query}>
        {(data) => (
          <TicketTable
            tickets={data.pages.flatMap((p) => p.items)}
            fill
            onEnd={() => readMore(query)}
            empty={
              url.state ? (
                <EmptyState title="No ticket is like this" />
              ) : (
                <EmptyState title="No ticket was ever needed">A connection that stays down past its threshold gets one by itself, one for each cause, here and in every tracker that is set up.</EmptyState>
              )
            }
          />
        )}
      </Load>
    </>
  );
}

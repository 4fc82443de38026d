import { useNavigate, Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { DataTable, type Column } from '../../ui/DataTable';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import type { Tone } from '../../ui/status';
import { IconExternal } from '../../ui/icons';
import { useQuery } from '@tanstack/react-query';
import { endsQuery } from '../../api/outward';
import classes from './Health.module.css';

type Ticket = Schemas['Ticket'];

export const ticketStates: Record<Ticket['state'], { word: string; tone: Tone }> = {
  pending: { word: 'To be created', tone: 'waiting' },
  open: { word: 'Open', tone: 'down' },
  closed: { word: 'Closed', tone: 'healthy' },
  failed: { word: 'Refused', tone: 'action' },
};

/** Tickets, each with a way to its incident and to the system that has it. */
export function TicketTable({ tickets, fill, onEnd, empty }: { tickets: readonly Ticket[]; fill?: boolean; onEnd?: () => void; empty?: React.ReactNode }) {
  const navigate = useNavigate();
  const columns: Column<Ticket>[] = [
    { key: 'key', head: 'Ticket', width: 'minmax(160px, 2fr)', cell: (t) => <Outside ticket={t} /> },
    { key: 'state', head: 'State', width: '140px', cell: (t) => <State ticket={t} /> },
    { key: 'where', head: 'Tracker', width: 'minmax(120px, 1fr)', cell: (t) => <Tracker ticket={t} />, from: 620 },
    { key: 'made', head: 'Filed', width: '120px', cell: (t) => <TimeAgo at={t.created_at} />, from: 520 },
    { key: 'comment', head: 'Last comment', width: '130px', cell: (t) => <TimeAgo at={t.commented_at} otherwise="none" />, from: 760 },
    { key: 'closed', head: 'Closed', width: '120px', cell: (t) => <TimeAgo at={t.closed_at} otherwise="not yet" />, from: 860 },
  ];
  return (
    <DataTable
      label="Tickets"
      rows={tickets}
      rowKey={(t) => t.id}
      columns={columns}
      maxHeight={fill ? 'calc(100vh - 250px)' : 320}
      narrow={(t) => (
        <span className="row">
          <Outside ticket={t} /> <State ticket={t} />
        </span>
      )}
      narrowHeight={44}
      onOpen={(t) => void navigate({ to: '/health/tickets/$id', params: { id: t.id } })}
      {...(onEnd ? { onEnd } : {})}
      empty={empty}
    />
  );
}

/** The name of the system that has the ticket; who may not list them, or where it is gone, sees its id. */
export function Tracker({ ticket: t }: { ticket: Ticket }) {
  const own = t.tracker_id === 'internal';
  const trackers = useQuery({ ...endsQuery('trackers'), enabled: !own });
  if (own) return <>Kept here</>;
  const name = trackers.data?.find((x) => x.id === t.tracker_id)?.name;
  return name ? <span className="cut">{name}</span> : <code className="cut">{t.tracker_id}</code>;
}

export function State({ ticket: t }: { ticket: Ticket }) {
  return <HealthBadge status={t.state} word={ticketStates[t.state].word} tone={ticketStates[t.state].tone} soft />;
}

/** Only addresses of the web are links: what a tracker answered is not trusted to be one. */
export const outsideOf = (t: Ticket): string | undefined => (t.tracker_id !== 'internal' && t.url && /^https?:\/\//.test(t.url) ? t.url : undefined);

function Outside({ ticket: t }: { ticket: Ticket }) {
  const name = t.key ?? (t.tracker_id === 'internal' ? 'Ticket' : 'not created yet');
  const url = outsideOf(t);
  return (
    <span className="row" style={{ gap: 4, minWidth: 0 }}>
      <Link to="/health/tickets/$id" params={{ id: t.id }} className={`cut ${classes.target}`}>
        {name}
      </Link>
      {url && (
        <a href={url} target="_blank" rel="noreferrer noopener" className={classes.outside} aria-label={`${name}, where it was filed`} title="Where it was filed">
          <IconExternal size={14} aria-hidden />
        </a>
      )}
    </span>
  );
}

import { Button, Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { wallMessageQuery, wallQuery } from '../../api/health';
import { useMay } from '../../api/me';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconHealth } from '../../ui/icons';
import { useChange } from '../../ui/useChange';
import { WallSettings } from './WallSettings';
import classes from './Wall.module.css';
import { severities } from './causes';

/** All connections that fail, the worst first, with shared causes on top: the page of what is mailed twice a day. */
export function Page() {
  const query = useQuery(wallQuery);
  return (
    <Load query={query}>
      {(w) => (
        <>
          <p className={classes.totals}>
            <span>
              <b className="num">{w.failing}</b>
              of {plural(w.total, 'connection')} not healthy
            </span>
            <Count n={w.down} status="down" />
            <Count n={w.needs_action} status="needs_action" />
            <Count n={w.degraded} status="degraded" />
          </p>
          {w.failing === 0 ? (
            <EmptyState icon={<IconHealth size={28} />} title="Nothing fails">
              {w.total === 0 ? 'There is no connection yet.' : `All ${plural(w.total, 'connection')} that are not paused do what they should.`}
            </EmptyState>
          ) : (
            <>
              {w.shared.length > 0 && <Causes title="Causes of several connections" causes={w.shared} />}
              {w.single.length > 0 && <Causes title="Causes of one" causes={w.single} />}
            </>
          )}
          <Digest />
        </>
      )}
    </Load>
  );
}

function Count({ n, status }: { n: number; status: string }) {
  if (n === 0) return null;
  return (
    <span className="row">
      <b className="num">{n}</b>
      <HealthBadge status={status} soft />
    </span>
  );
}

function Causes({ title, causes }: { title: string; causes: readonly Schemas['WallCause'][] }) {
  return (
    <Section title={title} summary={String(causes.length)} flush>
      {causes.map((c, n) => (
        <Cause key={c.incident?.number ?? `${c.connections[0]?.id}-${n}`} cause={c} />
      ))}
    </Section>
  );
}

/** Of a cause of very many connections the first are shown; the incident has them all. */
const most = 12;

function Cause({ cause: c }: { cause: Schemas['WallCause'] }) {
  const i = c.incident;
  return (
    <div className={classes.cause}>
      {i && (
        <div className={classes.causeHead}>
          <HealthBadge status={i.severity} word={severities[i.severity as keyof typeof severities]?.word ?? i.severity} tone={severities[i.severity as keyof typeof severities]?.tone ?? 'waiting'} />
          <Link to="/health/incidents/$id" params={{ id: String(i.number) }}>
            #{i.number} {i.title}
          </Link>
          <span className="dim">{plural(c.connections.length, 'connection')}</span>
          <span className={classes.who}>
            {i.acknowledged ? 'Acknowledged' : 'Not acknowledged'}
            {i.assignee ? ` · ${i.assignee}` : ' · nobody assigned'}
          </span>
        </div>
      )}
      <ul className={classes.list}>
        {c.connections.slice(0, most).map((x) => (
          <li key={x.id}>
            <HealthBadge status={x.health} soft />
            <Link to="/connections/$id" params={{ id: x.id }} className="cut">
              {x.name}
            </Link>
            <span className={classes.why}>{x.reason}</span>
            <TimeAgo at={x.since} />
          </li>
        ))}
      </ul>
      {c.connections.length > most && i && (
        <Link to="/health/incidents/$id" params={{ id: String(i.number) }}>
          and {plural(c.connections.length - most, 'more connection', 'more connections')}
        </Link>
      )}
    </div>
  );
}

/** The message that goes out, who gets it and when. */
function Digest() {
  const [shown, setShown] = useState(false);
  const mayRun = useMay('run');
  const send = useChange(['channels'], () => body(api.POST('/api/v1/wall/send')), 'The digest is on its way: see the deliveries of its channels');
  return (
    <Section
      title="Digest"
      summary="The same as a message, at fixed times"
      actions={
        <>
          <Button variant="default" onClick={() => setShown(true)}>
            Preview
          </Button>
          {mayRun && (
            <Button variant="default" loading={send.isPending} onClick={() => send.mutate()}>
              Send now
            </Button>
          )}
        </>
      }
    >
      <WallSettings />
      <Modal opened={shown} onClose={() => setShown(false)} title="The digest as it would be sent now" size="xl">
        <Preview />
      </Modal>
    </Section>
  );
}

/** The plain form of the message: the policy of this page lets no HTML in that a script was given. */
function Preview() {
  const query = useQuery(wallMessageQuery);
  return (
    <Load query={query}>
      {(m) => (
        <div className="stack">
          <p>
            <b>{m.subject}</b>
          </p>
          <pre className={classes.plain} role="region" aria-label="The message as plain text" tabIndex={0}>
            {m.plain}
          </pre>
        </div>
      )}
    </Load>
  );
}

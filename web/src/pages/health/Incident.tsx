import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { incidentQuery, type Incident } from '../../api/health';
import { ErrorCard } from '../../ui/ErrorCard';
import { Facts, Section } from '../../ui/PageFrame';
import { Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time, TimeAgo, useNow } from '../../ui/Time';
import { count, duration } from '../../ui/format';
import { Actions } from './IncidentActions';
import { Held } from './IncidentConnections';
import { Review } from './IncidentReview';
import { IncidentTickets } from './IncidentTickets';
import { Timeline } from './IncidentTimeline';
import { Due, Severity } from './Incidents';
import classes from './Incidents.module.css';
import { reach, states } from './causes';

export function Page() {
  const { id } = useParams({ from: '/shell/health/incidents/$id' });
  const query = useQuery(incidentQuery(id));
  return <Load query={query}>{({ value }) => <Detail incident={value} />}</Load>;
}

function Detail({ incident: i }: { incident: Incident }) {
  const now = useNow(60_000);
  const state = states[i.state];
  return (
    <>
      <div className={classes.head}>
        <Link to="/health/incidents">Incidents</Link>
        <h2 className={classes.title}>
          <span className={classes.number}>#{i.number}</span> {i.title}
        </h2>
        <Severity incident={i} />
        <HealthBadge status={i.state} word={state.word} tone={state.tone} soft />
        <Actions incident={i} />
      </div>
      {i.merged_into && (
        <p className={classes.note}>
          This incident was merged:{' '}
          <Link to="/health/incidents/$id" params={{ id: i.merged_into }}>
            another one
          </Link>{' '}
          goes on for it.
        </p>
      )}
      <Section title="The cause" summary={reach(i)}>
        {i.sample ? <ErrorCard failure={{ ...i.sample, ...(i.runbook ? { runbook: i.runbook } : {}) }} /> : <p className="dim">No failure was kept as an example.</p>}
        <div style={{ height: 16 }} />
        <Facts
          items={[
            ['First seen', <Time key="f" at={i.first_seen} copy />],
            ['Last seen', <TimeAgo key="l" at={i.last_seen} />],
            ['Failed syncs', count(i.failures)],
            ['Down for', i.downtime_seconds > 0 ? duration(i.downtime_seconds * 1000) : 'not at all'],
            ['Over all connections', i.connection_downtime_seconds > 0 ? duration(i.connection_downtime_seconds * 1000) : 'not at all'],
            ['Assignee', i.assignee ?? 'nobody'],
            ['Acknowledged', i.acknowledged_at ? <Time key="a" at={i.acknowledged_at} /> : 'not yet'],
            ['Due', <Due key="d" incident={i} now={now} />],
            ...(i.level > 0 ? [['Escalated to level', String(i.level)] as const] : []),
            ...(i.reopened > 0 ? [['Came back', `${count(i.reopened)} ×`] as const] : []),
            ...(i.resolved_at ? [['Resolved', <Time key="r" at={i.resolved_at} />] as const, ['Resolved by', i.resolved_by ? 'a person' : 'recovery'] as const] : []),
            ['Connector', `${i.connector}${i.connector_version ? ` ${i.connector_version}` : ''}`],
            ...(i.team ? [['Team', i.team] as const] : []),
            ...(i.stream ? [['Stream', <code key="s">{i.stream}</code>] as const] : []),
            ['Fingerprint', <code key="p">{i.fingerprint}</code>],
          ]}
        />
      </Section>
      <Held incident={i} />
      <IncidentTickets incident={i} />
      <div className={classes.columns}>
        <Timeline incident={i} />
        <Review incident={i} />
      </div>
    </>
  );
}

import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schemas } from '../../api/client';
import { alertRulesQuery, alertsQuery } from '../../api/health';
import { useMay } from '../../api/me';
import { readMore } from '../../api/pages';
import { DataTable, type Column } from '../../ui/DataTable';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { plural } from '../../ui/format';
import { IconPlus } from '../../ui/icons';
import { AlertRoutes } from './AlertRoutes';
import { NameButton } from './NameButton';
import { RuleEditor } from './RuleEditor';
import classes from './Health.module.css';
import { severities } from './causes';
import { ruleKinds, ruleSummary, type Rule } from './rules';

type Alert = Schemas['Alert'];

/** What fires, what has fired, and the rules and routes by which people are told. */
export function Page() {
  const firing = useInfiniteQuery(alertsQuery({ state: 'firing' }));
  const resolved = useInfiniteQuery(alertsQuery({ state: 'resolved', limit: 50 }));
  return (
    <>
      <Section title="Firing" flush>
        <Load query={firing} lines={2}>
          {(d) => {
            const rows = d.pages.flatMap((p) => p.items);
            if (rows.length === 0) return <p className="dim">No alert fires.</p>;
            return <Alerts label="Alerts that fire" rows={rows} onEnd={() => readMore(firing)} />;
          }}
        </Load>
      </Section>
      <Rules />
      <AlertRoutes />
      <Section title="Over" summary="The latest that ceased to fire" flush>
        <Load query={resolved} lines={2}>
          {(d) => {
            const rows = d.pages.flatMap((p) => p.items);
            if (rows.length === 0) return <p className="dim">No alert has fired and ceased yet.</p>;
            return <Alerts label="Alerts that are over" rows={rows} onEnd={() => readMore(resolved)} />;
          }}
        </Load>
      </Section>
    </>
  );
}

function Alerts({ label, rows, onEnd }: { label: string; rows: readonly Alert[]; onEnd: () => void }) {
  const columns: Column<Alert>[] = [
    { key: 'severity', head: 'Severity', width: '84px', cell: (a) => (a.severity ? <HealthBadge status={a.severity} word={severities[a.severity].word} tone={severities[a.severity].tone} /> : null) },
    { key: 'summary', head: 'Alert', width: 'minmax(220px, 3fr)', cell: (a) => <About alert={a} /> },
    { key: 'since', head: 'Since', width: '110px', cell: (a) => <TimeAgo at={a.since} />, from: 520 },
    { key: 'over', head: 'Over', width: '110px', cell: (a) => <TimeAgo at={a.resolved_at} otherwise="it fires" />, from: 760 },
    { key: 'told', head: 'Last told', width: '140px', cell: (a) => (a.silenced_by ? <Link to="/health/silences">silenced</Link> : <TimeAgo at={a.notified_at} otherwise="nobody yet" />), from: 640 },
    { key: 'team', head: 'Team', width: 'minmax(80px, 1fr)', cell: (a) => a.team ?? <span className="faint">none</span>, from: 960 },
  ];
  return <DataTable label={label} rows={rows} rowKey={(a) => a.id} columns={columns} maxHeight={360} onEnd={onEnd} narrow={(a) => <Narrow alert={a} />} narrowHeight={60} />;
}

function Narrow({ alert: a }: { alert: Alert }) {
  return (
    <div className={classes.two}>
      <About alert={a} />
      <span className={classes.below}>
        {a.severity && <HealthBadge status={a.severity} word={severities[a.severity].word} tone={severities[a.severity].tone} />}
        <span>since</span> <TimeAgo at={a.since} />
      </span>
    </div>
  );
}

function About({ alert: a }: { alert: Alert }) {
  if (a.connection_id)
    return (
      <Link to="/connections/$id" params={{ id: a.connection_id }} className="cut">
        {a.summary}
      </Link>
    );
  if (a.incident_id)
    return (
      <Link to="/health/incidents/$id" params={{ id: a.incident_id }} className="cut">
        {a.summary}
      </Link>
    );
  return <span className="cut">{a.summary}</span>;
}

function Rules() {
  const query = useQuery(alertRulesQuery);
  const may = useMay('edit');
  const [open, setOpen] = useState<Rule | 'new' | null>(null);
  const columns: Column<Rule>[] = [
    { key: 'name', head: 'Rule', width: 'minmax(160px, 2fr)', cell: (r) => <NameButton name={r.name} onOpen={may ? () => setOpen(r) : undefined} /> },
    { key: 'kind', head: 'Fires when', width: 'minmax(180px, 3fr)', cell: (r) => <span className="cut">{[ruleKinds[r.kind].title, ruleSummary(r)].filter(Boolean).join(': ')}</span>, from: 480 },
    { key: 'severity', head: 'Severity', width: '120px', cell: (r) => (r.severity ? (severities[r.severity as keyof typeof severities]?.word ?? r.severity) : <span className="dim">by itself</span>), from: 760 },
    { key: 'on', head: 'State', width: '90px', cell: (r) => <HealthBadge status={r.enabled === false ? 'paused' : 'healthy'} word={r.enabled === false ? 'Off' : 'On'} soft /> },
  ];
  return (
    <Section
      title="Rules"
      summary={query.data && query.data.length > 0 && plural(query.data.length, 'rule')}
      actions={
        may ? (
          <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setOpen('new')}>
            New rule
          </Button>
        ) : undefined
      }
      flush
    >
      <Load query={query} lines={3}>
        {(rules) => (
          <DataTable
            label="Rules of alerts"
            rows={rules}
            rowKey={(r) => r.id}
            columns={columns}
            maxHeight={420}
            {...(may ? { onOpen: setOpen } : {})}
            empty={<EmptyState title="No rule yet">A rule says what must hold, and for how long, before somebody is told by a channel.</EmptyState>}
          />
        )}
      </Load>
      {open && <RuleEditor key={open === 'new' ? 'new' : open.id} was={open === 'new' ? undefined : open} onClose={() => setOpen(null)} />}
    </Section>
  );
}

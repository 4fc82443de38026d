import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { body, type Schemas } from '../../api/client';
import { useMay } from '../../api/me';
import { endKindsQuery, endsQuery, sides, type End, type Side } from '../../api/outward';
import { DataTable, type Column } from '../../ui/DataTable';
import { ErrorCard } from '../../ui/ErrorCard';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { TimeAgo } from '../../ui/Time';
import { duration } from '../../ui/format';
import { IconCheck, IconPlus } from '../../ui/icons';
import { useChange } from '../../ui/useChange';
import { EndEditor } from './EndEditor';
import { NameButton } from './NameButton';
import classes from './Incidents.module.css';

const texts = {
  channels: { title: 'Channels', one: 'channel', none: 'No channel yet', empty: 'A channel is a way to people: mail, Slack, PagerDuty or a signed webhook. Alerts and the wall go out by channels.' },
  trackers: { title: 'Trackers', one: 'tracker', none: 'No tracker yet', empty: 'Tickets are always kept here. With a tracker they are filed in GitHub Issues, Jira or behind a signed webhook, too.' },
} as const;

/** Where messages or tickets go: set up, switched, tried. */
export function Ends({ side }: { side: Side }) {
  const query = useQuery(endsQuery(side));
  const kinds = useQuery(endKindsQuery(side));
  const may = useMay('edit');
  const mayRun = useMay('run');
  const [open, setOpen] = useState<End | 'new' | null>(null);
  const [trial, setTrial] = useState<{ end: End; result: Schemas['Trial'] } | null>(null);
  const t = texts[side];
  const title = (kind: string) => kinds.data?.find((k) => k.name === kind)?.title ?? kind;
  const columns: Column<End>[] = [
    { key: 'name', head: 'Name', width: 'minmax(140px, 2fr)', cell: (e) => <NameButton name={e.name} onOpen={may ? () => setOpen(e) : undefined} /> },
    { key: 'kind', head: 'Kind', width: 'minmax(100px, 1fr)', cell: (e) => title(e.kind), from: 420 },
    { key: 'on', head: 'State', width: '90px', cell: (e) => <HealthBadge status={e.enabled ? 'healthy' : 'paused'} word={e.enabled ? 'On' : 'Off'} soft /> },
    { key: 'changed', head: 'Changed', width: '120px', cell: (e) => <TimeAgo at={e.updated_at} />, from: 760 },
    ...(mayRun ? [{ key: 'test', head: <span className="sr">Try it</span>, width: '100px', cell: (e: End) => <Test side={side} end={e} onResult={(result) => setTrial({ end: e, result })} /> }] : []),
  ];
  return (
    <Section
      title={t.title}
      actions={
        may ? (
          <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setOpen('new')} disabled={!kinds.data}>
            New {t.one}
          </Button>
        ) : undefined
      }
      flush
    >
      {trial && <Result end={trial.end} result={trial.result} />}
      <Load query={query} lines={3}>
        {(rows) => <DataTable label={t.title} rows={rows} rowKey={(e) => e.id} columns={columns} maxHeight={360} empty={<EmptyState title={t.none}>{t.empty}</EmptyState>} />}
      </Load>
      {open && kinds.data && <EndEditor key={open === 'new' ? 'new' : open.id} side={side} kinds={kinds.data} was={open === 'new' ? undefined : open} onClose={() => setOpen(null)} />}
    </Section>
  );
}

function Test({ side, end, onResult }: { side: Side; end: End; onResult: (result: Schemas['Trial']) => void }) {
  const run = useChange(
    ['channels'],
    async () => onResult(await body(sides[side].test(end.id))),
    `${end.name} was tried`,
  );
  return (
    <Button variant="default" size="compact-xs" h={26} loading={run.isPending} onClick={() => run.mutate()} aria-label={`Send a test to ${end.name}`}>
      Send test
    </Button>
  );
}

function Result({ end, result }: { end: End; result: Schemas['Trial'] }) {
  if (!result.ok && result.problem)
    return (
      <div className={classes.note} role="alert">
        <p>
          <b>{end.name}</b> did not take the test.
        </p>
        <ErrorCard failure={result.problem} compact />
      </div>
    );
  return (
    <p className={classes.note} role="status">
      <IconCheck size={14} aria-hidden /> <b>{end.name}</b> took the test in {duration(result.milliseconds)}
      {result.receipt ? (
        <>
          {' '}
          and answered <code>{result.receipt}</code>
        </>
      ) : null}
      .
    </p>
  );
}

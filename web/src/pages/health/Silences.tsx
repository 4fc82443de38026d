import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { silencesQuery } from '../../api/health';
import { useMay } from '../../api/me';
import { DataTable, type Column } from '../../ui/DataTable';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time, useNow } from '../../ui/Time';
import { IconPlus } from '../../ui/icons';
import type { Tone } from '../../ui/status';
import { useChange } from '../../ui/useChange';
import { SilenceForm } from './SilenceForm';
import { matcherText, whenOf, type When } from './matchers';

type Silence = Schemas['Silence'];

const stands: Record<When, { word: string; tone: Tone }> = { active: { word: 'Active', tone: 'syncing' }, coming: { word: 'Coming', tone: 'waiting' }, over: { word: 'Over', tone: 'paused' } };

/** What nobody is told of, why, and until when. */
export function Page() {
  const now = useQuery(silencesQuery(false));
  const over = useQuery(silencesQuery(true));
  const may = useMay('run');
  const [making, setMaking] = useState(false);
  return (
    <>
      <Section
        title="Silences and maintenance windows"
        actions={
          may ? (
            <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setMaking(true)}>
              New silence
            </Button>
          ) : undefined
        }
        flush
      >
        <Load query={now} lines={3}>
          {(rows) => (
            <Table label="Silences" rows={rows} may={may} empty={<EmptyState title="Nothing is silenced">While a silence holds, alerts that match it go on, but nobody is told of them. What has changed by its end is told then.</EmptyState>} />
          )}
        </Load>
        {making && <SilenceForm onClose={() => setMaking(false)} />}
      </Section>
      <Section title="Over" flush>
        <Load query={over} lines={2}>
          {(rows) => <Over rows={rows} />}
        </Load>
      </Section>
    </>
  );
}

/** The API gives those that have ended along with the others. */
function Over({ rows }: { rows: readonly Silence[] }) {
  const now = useNow(1_000);
  const over = rows.filter((s) => whenOf(s, now) === 'over');
  return over.length === 0 ? <p className="dim">None has ended yet.</p> : <Table label="Silences that are over" rows={over} may={false} />;
}

function Table({ label, rows, may, empty }: { label: string; rows: readonly Silence[]; may: boolean; empty?: React.ReactNode }) {
  const now = useNow(1_000);
  const columns: Column<Silence>[] = [
    { key: 'state', head: 'State', width: '110px', cell: (s) => <Stand when={whenOf(s, now)} /> },
    { key: 'reason', head: 'Reason', width: 'minmax(160px, 2fr)', cell: (s) => <span className="cut" title={s.reason}>{s.reason}</span> },
    { key: 'match', head: 'What', width: 'minmax(160px, 2fr)', cell: (s) => <span className="cut">{s.match.map(matcherText).join(' and ') || 'everything'}</span>, from: 560 },
    { key: 'from', head: 'From', width: '140px', cell: (s) => <Time at={s.starts_at} />, from: 860 },
    { key: 'to', head: 'Until', width: '150px', cell: (s) => <Until silence={s} />, from: 420 },
    { key: 'kind', head: 'Kind', width: '110px', cell: (s) => (s.kind === 'maintenance' ? 'Maintenance' : 'Silence'), from: 960 },
    ...(may ? [{ key: 'end', head: <span className="sr">End it</span>, width: '90px', cell: (s: Silence) => <End silence={s} /> }] : []),
  ];
  return <DataTable label={label} rows={rows} rowKey={(s) => s.id} columns={columns} maxHeight={420} empty={empty} />;
}

function Stand({ when }: { when: When }) {
  return <HealthBadge status={when} word={stands[when].word} tone={stands[when].tone} soft />;
}

function Until({ silence: s }: { silence: Silence }) {
  if (!s.weekly) return <Time at={s.ends_at} />;
  const { days, from, to, zone } = s.weekly;
  return (
    <span className="cut" title={`${zone ?? 'UTC'}${s.ends_at ? `, until ${s.ends_at}` : ''}`}>
      {days?.length ? days.join(', ') : 'daily'} {from}–{to}
    </span>
  );
}

function End({ silence: s }: { silence: Silence }) {
  const end = useChange(
    ['silences', 'alerts'],
    () => body(api.DELETE('/api/v1/silences/{silence}', { params: { path: { silence: s.id } } })),
    'The silence is over: what still fires is told again',
  );
  return (
    <Button variant="subtle" size="compact-xs" loading={end.isPending} onClick={() => end.mutate()} aria-label={`End the silence: ${s.reason}`}>
      End it
    </Button>
  );
}

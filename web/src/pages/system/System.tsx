import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import type { Schemas } from '../../api/client';
import { api, body } from '../../api/client';
import { keys } from '../../api/keys';
import { useMay } from '../../api/me';
import { queueQuery, regionsQuery, systemQuery, workersQuery } from '../../api/system';
import { Facts, PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, Load, PartialNote } from '../../ui/States';
import { HealthBadge } from '../../ui/StatusDot';
import { Time, TimeAgo } from '../../ui/Time';
import { Meter } from '../../ui/charts';
import { bytes, count, percent, plural } from '../../ui/format';
import { IconSearch } from '../../ui/icons';
import classes from './system.module.css';

/** The installation: what runs, where, how full it is, and with what settings. */
export function Page() {
  const system = useQuery({ ...systemQuery, refetchInterval: 30_000 });
  const may = useMay('inspect');
  const s = system.data;
  return (
    <PageFrame title="System" summary={s ? `Sluice ${shortVersion(s.version)}, ${plural(s.workers, 'worker')}, ${count(s.syncs_running)} running, ${count(s.queue_waiting)} waiting` : undefined}>
      <Load query={system}>{(sys) => <Installation s={sys} />}</Load>
      <Workers />
      <Queue />
      {s && may && <Keys s={s} />}
      {may && <SettingsList />}
    </PageFrame>
  );
}

/** v1.4.0, or the commit of a build that is none. */
const shortVersion = (v: string): string => /^v\d+\.\d+\.\d+(?!-\d{14})/.exec(v)?.[0] ?? v.replace(/^v0\.0\.0-\d{14}-([0-9a-f]{7}).*$/, 'development build $1');

function Installation({ s }: { s: Schemas['System'] }) {
  const versions = Object.entries(s.worker_versions ?? {});
  const mixed = versions.some(([v]) => v !== s.version);
  return (
    <>
      {mixed && <PartialNote>Not all workers have the version of the server: {versions.map(([v, n]) => `${plural(n, 'worker')} ${shortVersion(v)}`).join(', ')}. Update them together.</PartialNote>}
      {s.encryption_key_replaced && <PartialNote>The encryption key was replaced while this server ran: start it again, so that it uses the new one.</PartialNote>}
      <Facts
        items={[
          ['Version', <span key="v" title={s.version}>{shortVersion(s.version)}</span>],
          ['API', s.api],
          ['Built with', s.go_version],
          ['Running since', <TimeAgo key="s" at={s.started_at} />],
          ['Its clock', <Time key="t" at={s.time} copy />],
          ['Address for people', s.public_url || 'not set'],
        ]}
      />
      <Section title="Storage">
        <Facts
          items={[
            ['Metadata are in', `${s.database === 'postgres' ? 'PostgreSQL' : 'SQLite'} ${s.database_version}`],
            ['Size of the metadata', bytes(s.database_bytes)],
            ['Version of the schema', count(s.schema_version)],
            ...(s.disk ? ([['Disk of the data folder', <Disk key="d" disk={s.disk} />]] as const) : []),
          ]}
        />
      </Section>
    </>
  );
}

function Disk({ disk }: { disk: Schemas['Disk'] }) {
  const used = disk.total_bytes > 0 ? 1 - disk.free_bytes / disk.total_bytes : 0;
  return (
    <span className={classes.disk}>
      {bytes(disk.free_bytes)} free of {bytes(disk.total_bytes)}
      <Meter share={used} label={`${percent(used)} of the disk is used`} tone={used > 0.95 ? 'down' : used > 0.85 ? 'degraded' : 'healthy'} />
    </span>
  );
}

function Workers() {
  const workers = useQuery({ ...workersQuery, refetchInterval: 30_000 });
  const regions = useQuery(regionsQuery);
  return (
    <Section title="Workers and regions" summary={workers.data ? plural(workers.data.items.filter((w) => w.alive).length, 'live worker') : undefined} flush>
      <Load query={workers} lines={2}>
        {(page) =>
          page.items.length === 0 ? (
            <EmptyState title="No worker has shown itself">
              Syncs wait until one does: <code>sluice worker</code> starts one.
            </EmptyState>
          ) : (
            <Table
              label="Workers"
              head={['Worker', 'Region', 'State', 'Runs', 'Version', 'Seen']}
              rows={page.items.map((w) => [
                w.id,
                [
                  <span key="h"><b>{w.host}</b> <span className="faint">{w.id}</span></span>,
                  w.region || 'default',
                  <HealthBadge key="a" status={w.alive ? (w.draining ? 'paused' : 'healthy') : 'down'} word={w.alive ? (w.draining ? 'Draining' : 'Live') : 'Gone'} />,
                  <Share key="r" used={w.running} of={w.capacity} />,
                  <span key="v" title={w.version}>{shortVersion(w.version)}</span>,
                  <TimeAgo key="s" at={w.seen_at} />,
                ],
              ])}
            />
          )
        }
      </Load>
      <Load query={regions} lines={1}>
        {(r) => (
          <Table
            label="Regions"
            head={['Region', 'Workers', 'Runs', 'Waiting', 'Longest wait']}
            rows={r.items.map((x) => [x.name, [<b key="n">{x.name || 'default'}</b>, count(x.workers), <Share key="c" used={x.running} of={x.capacity} />, count(x.waiting), x.oldest_due_at ? <TimeAgo key="o" at={x.oldest_due_at} /> : '–']])}
          />
        )}
      </Load>
    </Section>
  );
}

function Share({ used, of }: { used: number; of: number }) {
  return (
    <span className={classes.share}>
      <span className="num">
        {count(used)} of {count(of)}
      </span>
      <Meter share={of > 0 ? used / of : 0} label={`${used} of ${of}`} />
    </span>
  );
}

function Queue() {
  const queue = useQuery(queueQuery);
  return (
    <Section title="Queue" summary={queue.data ? `${count(queue.data.waiting)} waiting, ${count(queue.data.running)} running` : undefined} flush>
      <Load query={queue} lines={2}>
        {(q) =>
          q.next.length === 0 ? (
            <p className={classes.quiet}>{q.waiting > 0 ? 'What waits is between two attempts, or paused by its limits; nothing is next.' : 'Nothing waits.'}</p>
          ) : (
            <Table label="Next in the queue" head={['Sync', 'Kind', 'Region', 'Due', 'In the queue since']} rows={q.next.map((s) => [s.id, [<a key="i" href={`/connections/${s.connection_id}/timeline`}>{s.id}</a>, s.kind, s.region || 'any', <TimeAgo key="d" at={s.due_at} />, <TimeAgo key="q" at={s.queued_at} />]])} />
          )
        }
      </Load>
    </Section>
  );
}

function Keys({ s }: { s: Schemas['System'] }) {
  const all = s.encryption_keys ?? [];
  const sealing = all.find((k) => k.seals);
  const old = sealing && Date.parse(s.time) - Date.parse(sealing.created_at) > 365 * 86_400_000;
  return (
    <Section title="Encryption keys" summary={sealing ? <>secrets are sealed with key {sealing.id}, made <TimeAgo at={sealing.created_at} /></> : undefined} flush>
      {old && <PartialNote>The key that seals new secrets is more than a year old. <code>sluice secrets rotate</code> makes a new one.</PartialNote>}
      <Table label="Encryption keys" head={['Key', 'Made', 'Age', 'Use']} rows={all.map((k) => [k.id, [k.id, <Time key="t" at={k.created_at} copy />, <TimeAgo key="a" at={k.created_at} />, k.seals ? 'seals and opens secrets' : 'opens what it sealed']])} />
    </Section>
  );
}

function SettingsList() {
  const settings = useQuery({ queryKey: keys.list('settings'), queryFn: ({ signal }) => body(api.GET('/api/v1/settings', { signal })) });
  const [text, setText] = useState('');
  return (
    <Section title="Effective settings" summary="of the server, as its flags have them" actions={<TextInput type="search" aria-label="Search settings" placeholder="Search settings" leftSection={<IconSearch size={14} />} value={text} onChange={(e) => setText(e.currentTarget.value)} />} flush>
      <Load query={settings}>
        {(s) => {
          const found = s.items.filter((i) => i.name.includes(text.trim().toLowerCase()));
          if (found.length === 0) return <EmptyState title="No setting is called so" />;
          return <Table label="Effective settings" head={['Setting', 'Value']} rows={found.map((i) => [i.name, [<code key="n">--{i.name}</code>, i.value === '' || i.value === '[]' ? <span key="v" className="faint">not set</span> : <code key="v">{i.value}</code>]])} />;
        }}
      </Load>
    </Section>
  );
}

function Table({ label, head, rows }: { label: string; head: string[]; rows: [key: string, cells: ReactNode[]][] }) {
  return (
    <div className={classes.frame} role="region" aria-label={label} tabIndex={0}>
      <table className={classes.table}>
        <thead>
          <tr>
            {head.map((h) => (
              <th key={h} scope="col">
                {h}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([key, cells]) => (
            <tr key={key}>
              {cells.map((c, i) => (
                <td key={i}>{c}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

import { Modal, useMantineColorScheme } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { api, asApiError } from '../api/client';
import { fleetQuery, type FleetRow } from '../api/fleet';
import { may, useMe } from '../api/me';
import { rowStatus } from '../pages/connections/rows';
import { sentence } from '../ui/States';
import { StatusDot } from '../ui/StatusDot';
import { IconSearch } from '../ui/icons';
import classes from './Palette.module.css';
import { places } from './nav';
import { rankEntries, type Entry } from './rank';

/** Ctrl-K: pages, connections and actions by a few letters. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const all = useEntries();
  const found = useMemo(() => rankEntries(all, text), [all, text]);
  const current = found[Math.min(at, found.length - 1)];
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [at, found]);
  const run = (e: Entry | undefined) => {
    if (!e) return;
    onClose();
    e.run();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown') setAt((n) => Math.min(found.length - 1, n + 1));
    else if (e.key === 'ArrowUp') setAt((n) => Math.max(0, n - 1));
    else if (e.key === 'Enter') run(current);
    else return;
    e.preventDefault();
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} size={600} yOffset="12vh" centered={false} aria-label="Search and commands" transitionProps={{ duration: 0 }}>
      <div className={classes.field}>
        <IconSearch size={16} aria-hidden />
        <input
          className={classes.input}
          data-autofocus
          role="combobox"
          aria-label="Search pages, connections and actions"
          aria-expanded
          aria-controls="palette-list"
          aria-activedescendant={current ? `entry-${current.id}` : undefined}
          placeholder="Search pages, connections and actions"
          value={text}
          onChange={(e) => {
            setText(e.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
          autoComplete="off"
          spellCheck={false}
        />
      </div>
      <div ref={list} id="palette-list" role="listbox" aria-label="Found" className={classes.list} tabIndex={-1}>
        {found.map((e, i) => (
          // The field has the keys: see onKeyDown.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <div key={e.id} id={`entry-${e.id}`} role="option" tabIndex={-1} aria-selected={e === current} className={classes.entry} onClick={() => run(e)} onMouseMove={() => setAt(i)}>
            {e.status && <StatusDot status={e.status} size={11} />}
            <span className="cut grow">{e.label}</span>
            <span className={classes.hint}>{e.hint}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className={classes.none}>Nothing is called that.</p>}
      <p className={classes.keys} aria-hidden>
        <kbd>↑</kbd> <kbd>↓</kbd> to choose · <kbd>Enter</kbd> to go · <kbd>Esc</kbd> to leave
      </p>
    </Modal>
  );
}

/** Everything that can be gone to or done, by this viewer. */
function useEntries(): Entry[] {
  const navigate = useNavigate();
  const me = useMe();
  const { setColorScheme, colorScheme } = useMantineColorScheme();
  const fleet = useQuery({ ...fleetQuery, refetchOnMount: true }).data;
  return useMemo(() => {
    const go = (to: string, search: Record<string, string> = {}) => () => void navigate({ to, search });
    const list: Entry[] = places.filter((p) => !p.needs || may(me, p.needs)).map((p) => ({ id: `page${p.to}`, label: p.label, also: p.also, hint: 'Page', rank: 3, run: go(p.to) }));
    const further: [string, string][] = [['Incidents', '/health/incidents'], ['Tickets', '/health/tickets'], ['The wall', '/health/wall'], ['Alerts', '/health/alerts'], ['Rota', '/health/rota'], ['Runbooks', '/health/runbooks'], ['Downtime', '/health/downtime'], ['API tokens', '/people/tokens'], ['Account and sessions', '/account']];
    for (const [label, to] of further) list.push({ id: `page${to}`, label, hint: 'Page', rank: 2, run: go(to) });
    if (may(me, 'edit')) list.push({ id: 'new', label: 'Set up a new connection', also: 'add create', hint: 'Action', rank: 2.5, run: go('/setup') });
    list.push({ id: 'wall', label: 'Open the wall display', also: 'full screen tv', hint: 'Action', rank: 1, run: go('/', { display: 'wall' }) });
    list.push({ id: 'theme', label: 'Switch between light and dark', also: 'theme', hint: 'Action', rank: 1, run: () => setColorScheme(colorScheme === 'dark' ? 'light' : 'dark') });
    for (const r of fleet?.items ?? []) list.push(...ofConnection(r, may(me, 'run', r.id), go));
    return list;
  }, [navigate, me, fleet, colorScheme, setColorScheme]);
}

type Act = '/api/v1/connections/{connection}/sync' | '/api/v1/connections/{connection}/pause' | '/api/v1/connections/{connection}/resume';

function ofConnection(r: FleetRow, run: boolean, go: (to: string) => () => void): Entry[] {
  const at = `/connections/${r.id}`;
  const entries: Entry[] = [{ id: r.id, label: r.name, also: `${r.source_name} ${r.destination_name} ${r.connector} ${r.team ?? ''}`, hint: 'Connection', status: rowStatus(r), rank: 1, run: go(`${at}/timeline`) }];
  // What can be done to one shows when one has begun to type what.
  const act = (path: Act, done: string) => () => {
    api.POST(path, { params: { path: { connection: r.id } }, body: undefined as never }).then(
      () => notifications.show({ message: `${r.name}: ${done}`, color: 'teal' }),
      (e: unknown) => notifications.show({ title: `${r.name}: it was not done`, message: sentence(asApiError(e).message), color: 'red' }),
    );
  };
  entries.push({ id: `${r.id}-logs`, label: `Logs of ${r.name}`, hint: 'Logs', rank: 0, verb: 'logs', run: go(`${at}/logs`) });
  if (run) {
    entries.push({ id: `${r.id}-sync`, label: `Sync ${r.name} now`, hint: 'Action', rank: 0, verb: 'sync', run: act('/api/v1/connections/{connection}/sync', 'its sync is queued.') });
    if (r.paused) entries.push({ id: `${r.id}-resume`, label: `Resume ${r.name}`, hint: 'Action', rank: 0, verb: 'resume', run: act('/api/v1/connections/{connection}/resume', 'it runs again.') });
    else entries.push({ id: `${r.id}-pause`, label: `Pause ${r.name}`, hint: 'Action', rank: 0, verb: 'pause', run: act('/api/v1/connections/{connection}/pause', 'it is paused.') });
  }
  return entries;
}

import { Button, Select } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Schemas } from '../../api/client';
import { useMay } from '../../api/me';
import { onCallQuery, rotasQuery, shiftsQuery } from '../../api/outward';
import { Section } from '../../ui/PageFrame';
import { EmptyState, Load } from '../../ui/States';
import { Time, useNow } from '../../ui/Time';
import { IconPlus } from '../../ui/icons';
import { useUrl } from '../../ui/useUrl';
import classes from './Rota.module.css';
import { RotaCalendar } from './RotaCalendar';
import { RotaEditor } from './RotaEditor';
import { daysFrom, monday } from './shifts';

type Rota = Schemas['Rota'];

/** Who is on call now and next, and the calendar of shifts. */
export function Page() {
  const rotas = useQuery(rotasQuery);
  const [url, set] = useUrl();
  const may = useMay('edit');
  const [editing, setEditing] = useState<Rota | 'new' | null>(null);
  const current = rotas.data?.find((r) => r.id === url.rota) ?? rotas.data?.[0];
  return (
    <>
      <OnCall />
      <Section
        title="Shifts"
        summary="In your time zone"
        actions={
          <>
            {rotas.data && rotas.data.length > 1 && <Select aria-label="Rota" size="xs" data={rotas.data.map((r) => ({ value: r.id, label: r.name }))} value={current?.id ?? null} onChange={(v) => set({ rota: v ?? undefined })} allowDeselect={false} />}
            {may && current && (
              <Button variant="default" onClick={() => setEditing(current)}>
                Change
              </Button>
            )}
            {may && (
              <Button variant="default" leftSection={<IconPlus size={14} />} onClick={() => setEditing('new')}>
                New rota
              </Button>
            )}
          </>
        }
      >
        <Load query={rotas} lines={4}>
          {() => (current ? <Shifts rota={current} /> : <EmptyState title="No rota yet">A rota says who is called when: incidents are assigned by it, and go to the next level when nobody acknowledges them.</EmptyState>)}
        </Load>
      </Section>
      {editing && <RotaEditor key={editing === 'new' ? 'new' : editing.id} was={editing === 'new' ? undefined : editing} onClose={() => setEditing(null)} />}
    </>
  );
}

function OnCall() {
  const query = useQuery(onCallQuery);
  const rotas = useQuery(rotasQuery);
  const name = (rota: string, id: string) => rotas.data?.find((r) => r.id === rota)?.plan.people.find((p) => p.id === id)?.name || id;
  return (
    <Section title="On call">
      <Load query={query} lines={2}>
        {(d) =>
          d.items.length === 0 ? (
            <p className="dim">Nobody: no rota is set up, so incidents are assigned by hand.</p>
          ) : (
            <div className={classes.now}>
              {d.items.flatMap((r) =>
                r.now.map((s) => {
                  const next = r.next.find((n) => n.level === s.level);
                  return (
                    <dl key={`${r.rota_id} ${s.level}`}>
                      <dt>
                        {r.rota} · {s.level}
                      </dt>
                      <dd className={classes.who}>{s.person ? name(r.rota_id, s.person) : 'Nobody'}</dd>
                      <dd className="dim">
                        until <Time at={s.to} otherwise="further notice" />
                        {next?.person ? `, then ${name(r.rota_id, next.person)}` : ''}
                      </dd>
                    </dl>
                  );
                }),
              )}
            </div>
          )
        }
      </Load>
    </Section>
  );
}

const weeks = 2;

function Shifts({ rota }: { rota: Rota }) {
  const [url, set] = useUrl();
  const now = useNow(60_000);
  const week = Number.parseInt(url.week ?? '0', 10) || 0;
  const first = monday(new Date(now));
  first.setDate(first.getDate() + 7 * week);
  const days = daysFrom(first, 7 * weeks);
  const end = daysFrom(first, 7 * weeks + 1).at(-1)!;
  const query = useQuery(shiftsQuery(rota.id, first.toISOString(), end.toISOString()));
  const go = (to: number) => set({ week: to === 0 ? undefined : String(to) });
  return (
    <>
      <div className={classes.bar}>
        <Button variant="default" size="compact-xs" h={26} onClick={() => go(week - weeks)}>
          Earlier
        </Button>
        <Button variant="default" size="compact-xs" h={26} onClick={() => go(0)} disabled={week === 0}>
          This week
        </Button>
        <Button variant="default" size="compact-xs" h={26} onClick={() => go(week + weeks)}>
          Later
        </Button>
        {rota.enabled === false && <span className="dim">Switched off: incidents are not assigned by it.</span>}
      </div>
      <Load query={query} lines={3}>
        {(s) => <RotaCalendar shifts={s} days={days} end={end} people={rota.plan.people} now={now} />}
      </Load>
    </>
  );
}

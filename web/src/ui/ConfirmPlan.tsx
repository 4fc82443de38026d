import { Button, Modal, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api, body, type Schemas } from '../api/client';
import classes from './ConfirmPlan.module.css';
import { CopyAs } from './CopyAs';
import { ErrorState, Load, sentence } from './States';
import { bytes, count, plural } from './format';

interface Props {
  title: string;
  opened: boolean;
  onClose: () => void;
  /** Asks the server for the plan. Called anew whenever the dialog opens. */
  plan: () => Promise<Schemas['Plan']>;
  /** What one must type: usually the connection's name. */
  word: string;
  /** The button: what it does, as a verb. */
  action: string;
  onDone: (done: Schemas['Executed']) => void;
}

/**
 * What a destructive action would read, rewrite and drop, before it is done; it
 * wants the name typed, and does exactly the plan that is shown, or nothing.
 */
export function ConfirmPlan(props: Props) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={props.title} size="lg">
      {props.opened && <Inside {...props} />}
    </Modal>
  );
}

function Inside({ plan, word, action, onDone, onClose }: Props) {
  const client = useQueryClient();
  const [typed, setTyped] = useState('');
  const [asked] = useState(() => Date.now());
  const planned = useQuery({ queryKey: ['plans', 'made', word, action, asked], queryFn: plan, gcTime: 0, staleTime: Infinity, retry: false });
  const execute = useMutation({
    mutationFn: (id: string) => body(api.POST('/api/v1/plans/{plan}/execute', { params: { path: { plan: id } } })),
    onSuccess: (done) => {
      void client.invalidateQueries({ queryKey: ['plans'] });
      onDone(done);
      onClose();
    },
  });
  return (
    <Load query={planned}>
      {(p) => (
        <form
          className="stack"
          onSubmit={(e) => {
            e.preventDefault();
            if (typed === word) execute.mutate(p.id);
          }}
        >
          <PlanEffects effects={p.effects} />
          <TextInput label={<>Type {<b>{word}</b>} to confirm</>} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} autoComplete="off" spellCheck={false} data-autofocus />
          {execute.error && <ErrorState error={execute.error} what="It was not done" />}
          <div className={classes.actions}>
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <CopyAs call={{ method: 'POST', path: `/api/v1/plans/${p.id}/execute` }} />
            <Button type="submit" color="red" disabled={typed !== word} loading={execute.isPending}>
              {action}
            </Button>
          </div>
        </form>
      )}
    </Load>
  );
}

/** What a plan would do, in numbers and stream by stream. */
export function PlanEffects({ effects }: { effects: Schemas['Effects'] }) {
  const parts: [string, ReactNode][] = [
    ['Read', `${plural(effects.rows_read, 'row')}${effects.bytes_read > 0 ? `, ${bytes(effects.bytes_read)}` : ''}`],
    ['Rewritten', plural(effects.rows_rewritten, 'row')],
    ['Dropped', plural(effects.tables_dropped, 'table')],
  ];
  return (
    <div className="stack">
      <p>{sentence(effects.summary)}</p>
      <dl className={classes.sums}>
        {parts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {effects.streams.length > 0 && (
        <div className={classes.frame}>
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">Stream</th>
                <th scope="col">What happens</th>
                <th scope="col" data-right>
                  Rows read
                </th>
                <th scope="col" data-right>
                  Rewritten
                </th>
              </tr>
            </thead>
            <tbody>
              {effects.streams.map((s) => (
                <tr key={s.stream}>
                  <th scope="row">{s.stream}</th>
                  <td>{s.effect}</td>
                  <td data-right>{count(s.rows_read)}</td>
                  <td data-right>{count(s.rows_rewritten)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

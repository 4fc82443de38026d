import { Select, Switch, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { api, asApiError, body, type Schemas } from '../../../api/client';
import { CopyAs } from '../../../ui/CopyAs';
import { ErrorState, LoadingState, sentence } from '../../../ui/States';
import { count, plural, schedule as scheduleText, short } from '../../../ui/format';
import { useUrl } from '../../../ui/useUrl';
import { StepFrame } from '../StepFrame';
import { Fold } from '../form/templates';
import { useDraft, type Draft } from '../model/draft';
import { endpointQuery, freeName, type Endpoint } from '../model/endpoints';
import { fieldMessages } from '../model/schema';
import { useSourceStreams } from '../model/sourceStreams';
import { effective, estimate, everything, keyOf, reads, selectedKeys, specOf, writes, type Choice, type Offered } from '../model/streams';
import { usual } from './ScheduleStep';
import classes from './steps.module.css';

/** What is left out is by the server's defaults. */
type Spec = Partial<Schemas['ConnectionSpec']> & Pick<Schemas['ConnectionSpec'], 'name' | 'source' | 'destination'>;

/** What will happen, in plain sentences, before it does. */
export function ReviewStep() {
  const [url] = useUrl();
  const { draft } = useDraft();
  const source = useQuery(endpointQuery('source', url.source ?? ''));
  const destination = useQuery(endpointQuery('destination', url.destination ?? ''));
  const { query: streams } = useSourceStreams(url.source ?? '');
  const others = useQuery({ ...connectionNames(), retry: false });
  const error = source.error ?? destination.error ?? streams.error;
  if (error) return <ErrorState error={error} onRetry={() => void Promise.all([source.refetch(), destination.refetch(), streams.refetch()])} />;
  if (!source.data || !destination.data || !streams.data || others.isPending) return <LoadingState />;
  const choice = draft.choiceOf === url.source && draft.choice ? draft.choice : everything;
  const name = freeName(`${source.data.value.name} to ${destination.data.value.name}`, others.data ?? []);
  return <Review source={source.data.value} destination={destination.data.value} streams={streams.data} choice={choice} draft={draft} suggested={name} />;
}

const connectionNames = () => ({ queryKey: ['connections', 'names'], queryFn: async () => (await body(api.GET('/api/v1/connections', { params: { query: { limit: 500 } } }))).items.map((c) => c.name) });

const folded = (name: string): string =>
  name
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .toLowerCase();

function Review({ source, destination, streams, choice, draft, suggested }: { source: Endpoint; destination: Endpoint; streams: Offered[]; choice: Choice; draft: Draft; suggested: string }) {
  const [url, set] = useUrl();
  const client = useQueryClient();
  const { set: keep, clear } = useDraft();
  const [startNow, setStartNow] = useState(true);
  const [drift, setDrift] = useState<NonNullable<Spec['drift']>>('allow_all');
  const name = draft.name ?? suggested;
  const schema = draft.schema ?? folded(source.name);
  const schedule = draft.schedule ?? usual;
  const spec: Spec = { name: name.trim(), source: source.name, destination: destination.name, schema: schema.trim(), schedule, ...(drift === 'allow_all' ? {} : { drift }), ...specOf(choice, streams) };
  const create = useMutation({
    mutationFn: async () => {
      const made = await body(api.POST('/api/v1/connections', { body: spec as Schemas['ConnectionSpec'] }));
      // It exists: that its first sync could not be asked for is said on the next page, not as a failure to make it.
      if (startNow) await api.POST('/api/v1/connections/{connection}/sync', { params: { path: { connection: made.id } } }).catch(() => undefined);
      return made;
    },
    onSuccess: async (made) => {
      await client.invalidateQueries({ queryKey: ['connections'] });
      set({ connection: made.id, step: undefined, source: undefined, destination: undefined, connector: undefined, stream: undefined, kind: undefined });
      clear();
    },
  });
  const faults = fieldMessages(create.error ? asApiError(create.error).fields : []);
  const placed = faults.name ?? faults.schema;
  const step = (to: string) => <Link to="/setup" search={{ ...url, step: to }}>Change</Link>;
  return (
    <StepFrame
      title="Review"
      lead="This is what will happen. Nothing in the source is ever changed."
      back={{ ...url, step: 'schedule' }}
      next={startNow ? 'Create and sync' : 'Create'}
      busy={create.isPending}
      disabled={name.trim() === '' || schema.trim() === ''}
      onNext={() => create.mutate()}
      more={<CopyAs call={{ method: 'POST', path: '/api/v1/connections', body: spec }} yaml={{ kind: 'connection', ...spec }} />}
    >
      <div className={classes.fields}>
        <TextInput id="name" label="Name of the connection" size="sm" withAsterisk value={name} error={faults.name && sentence(faults.name)} onChange={(e) => keep({ name: e.currentTarget.value })} maxLength={200} autoComplete="off" />
        <TextInput label="Schema in the destination" description="The tables land in it; it is made where it is missing. It cannot be changed later." inputWrapperOrder={['label', 'input', 'error', 'description']} size="sm" withAsterisk value={schema} error={faults.schema && sentence(faults.schema)} onChange={(e) => keep({ schema: e.currentTarget.value })} autoComplete="off" spellCheck={false} />
      </div>
      <Sentences source={source} destination={destination} streams={streams} choice={choice} schema={schema} schedule={schedule} change={step} />
      <div className={classes.fields}>
        <Switch label="Start the first sync at once" checked={startNow} onChange={(e) => setStartNow(e.currentTarget.checked)} />
        <Fold title="When the source changes its tables" note={drift === 'allow_all' ? 'new tables and columns come in' : drift === 'allow_columns' ? 'new columns come in' : 'someone approves each change'}>
          <Select
            aria-label="When the source changes its tables"
            size="sm"
            allowDeselect={false}
            value={drift}
            onChange={(v) => v && setDrift(v)}
            data={[
              { value: 'allow_all', label: 'New tables and new columns come in by themselves' },
              { value: 'allow_columns', label: 'New columns come in; new tables wait for approval' },
              { value: 'block_all', label: 'Everything new waits for approval' },
            ]}
          />
        </Fold>
      </div>
      {create.error && !placed ? <ErrorState error={create.error} what="The connection was not made" /> : null}
    </StepFrame>
  );
}

interface Told {
  source: Endpoint;
  destination: Endpoint;
  streams: Offered[];
  choice: Choice;
  schema: string;
  schedule: Schemas['ScheduleSpec'];
  change: (step: string) => ReactNode;
}

function Sentences({ source, destination, streams, choice, schema, schedule, change }: Told) {
  const on = selectedKeys(choice, streams);
  const chosen = streams.filter((s) => on.has(keyOf(s)));
  const { rows, known } = estimate(chosen);
  const ways = new Map<string, number>();
  for (const s of chosen) {
    const w = effective(s, choice.settings[keyOf(s)]);
    const text = `${reads[w.mode].word.toLowerCase()}, ${writes[w.write].word.toLowerCase()}`;
    ways.set(text, (ways.get(text) ?? 0) + 1);
  }
  const told: [string, ReactNode, ReactNode][] = [
    ['Source', <>Read from <b>{source.name}</b> ({source.connector}).</>, change('source')],
    ['Streams', <>{chosen.length === streams.length ? `All ${plural(streams.length, 'stream')}` : `${count(chosen.length)} of ${plural(streams.length, 'stream')}`}{choice.all ? '; those that the source gets later come in, too.' : '; later ones do not come in.'} {[...ways].map(([w, n]) => `${count(n)}: ${w}`).join('; ')}.</>, change('streams')],
    ['Destination', <>Written to <b>{destination.name}</b> ({destination.connector}), into tables in the schema <code>{schema}</code>.</>, change('destination')],
    ['First sync', <>{known === 0 ? 'Reads everything that there is. The source does not say how many rows that is.' : `Reads about ${short(rows)} rows${known < chosen.length ? `, and those of ${plural(chosen.length - known, 'stream')} of which the source gives no number` : ''}. It can be stopped, and goes on where it was.`}</>, null],
    ['Then', schedule.manual ? 'It runs only when asked.' : <>It runs {schedule.cron ? <>at <code>{schedule.cron}</code> ({schedule.zone || 'UTC'})</> : scheduleText(schedule)}.</>, change('schedule')],
  ];
  return (
    <ul className={classes.sentences} aria-label="What will happen">
      {told.map(([what, text, action]) => (
        <li key={what}>
          <span>{what}</span>
          <span>{text}</span>
          <span>{action}</span>
        </li>
      ))}
    </ul>
  );
}

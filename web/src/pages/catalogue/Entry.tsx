import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { Fragment, type ReactNode } from 'react';
import { useMay } from '../../api/me';
import { copyText } from '../../ui/copy';
import { Facts, PageFrame, Section } from '../../ui/PageFrame';
import { EmptyState, Load, sentence } from '../../ui/States';
import { toYaml } from '../../ui/write';
import { IconCopy } from '../../ui/icons';
import { Monogram } from '../setup/Monogram';
import { about } from '../setup/KindPicker';
import { kindsQuery, type Kind, type Role } from '../setup/model/endpoints';
import { fieldsInOrder, groupsOf, type Config, type JsonSchema } from '../setup/model/schema';
import { reads, writes } from '../setup/model/streams';
import classes from './catalogue.module.css';

/** The reference of a connector or kind of destination, drawn from its schema. */
export function Page() {
  const { role, kind: name } = useParams({ from: '/shell/catalogue/$role/$kind' });
  const side: Role = role === 'destinations' ? 'destination' : 'source';
  const kinds = useQuery(kindsQuery(side));
  const above = <Link to="/catalogue">Catalogue</Link>;
  const kind = kinds.data?.find((k) => k.name === name);
  if (!kind)
    return (
      <PageFrame title={name} above={above}>
        <Load query={kinds}>{() => <EmptyState title={`There is no ${side === 'source' ? 'connector' : 'destination'} of that name here`} action={<Link to="/catalogue">See those that there are</Link>} />}</Load>
      </PageFrame>
    );
  return <Reference side={side} kind={kind} above={above} />;
}

function Reference({ side, kind, above }: { side: Role; kind: Kind; above: ReactNode }) {
  const may = useMay('edit');
  const groups = groupsOf(kind.schema);
  const yaml = toYaml({ kind: side === 'source' ? 'Source' : 'Destination', name: kind.name, connector: kind.name, config: exampleOf(kind) });
  return (
    <PageFrame
      title={
        <span className="row">
          <Monogram name={kind.title} />
          {kind.title}
        </span>
      }
      tabTitle={kind.title}
      above={above}
      summary={about[`${side} ${kind.name}`]}
      actions={
        may && !kind.untrusted ? (
          side === 'source' ? (
            <Button component={Link} to="/setup" search={{ step: 'check', connector: kind.name } as never}>
              Set up a connection
            </Button>
          ) : (
            <Button component={Link} to="/destinations/new" search={{ kind: kind.name } as never}>
              New destination
            </Button>
          )
        ) : undefined
      }
    >
      <Facts
        items={[
          ['Name in configuration', <code key="n">{kind.name}</code>],
          ['Version', kind.version],
          ['Comes', kind.plugin ? 'as a plugin' : 'with Sluice'],
          ...(kind.plugin ? ([['Trusted', kind.untrusted ? 'not yet: it cannot be used' : 'yes']] as const) : []),
        ]}
      />
      {groups.map((g) => (
        <Section key={g.title} title={g.title || 'Settings'} flush>
          <Settings schema={kind.schema} names={g.names} />
        </Section>
      ))}
      <Section
        title="As configuration"
        summary="for sluice apply"
        actions={
          <Button variant="default" leftSection={<IconCopy size={14} />} onClick={() => copyText(yaml, 'The YAML')}>
            Copy
          </Button>
        }
      >
        <pre className={classes.code} role="region" aria-label="An example in YAML" tabIndex={0}>
          {yaml}
        </pre>
        <p className="dim">Secrets can be references: {'${env:NAME}'} and {'${file:PATH}'} are looked up when the connector starts, and are then kept nowhere.</p>
      </Section>
      {side === 'source' ? <Words title="How streams can be read" note="which of these, each stream says when it is discovered" words={reads} /> : <Words title="How rows can land" note="chosen for each stream" words={writes} />}
      <Types side={side} />
    </PageFrame>
  );
}

/** The settings as a list: what each is, takes, and is by default. Nested ones follow theirs. */
function Settings({ schema, names, at = '' }: { schema: JsonSchema; names: string[]; at?: string }) {
  return (
    <dl className={classes.settings}>
      {fieldsInOrder(schema)
        .filter(([name]) => names.includes(name))
        .map(([name, f]) => (
            <div key={name} className={classes.setting} id={at + name}>
              <dt>
                <span className={classes.title}>{f.title ?? name}</span>
                <code className="dim">{at + name}</code>
              </dt>
              <dd>
                <p className={classes.kinds}>
                  <span>{typeOf(f)}</span>
                  {schema.required?.includes(name) && <b>needed</b>}
                  {f.writeOnly && <span>secret</span>}
                </p>
                {f.description && <p>{sentence(f.description)}</p>}
                {f.enum && (
                  <p className="dim">
                    One of {f.enum.map((v, i) => <Fragment key={String(v)}>{i > 0 && ', '}<code>{String(v)}</code></Fragment>)}.
                  </p>
                )}
                {(f.minimum !== undefined || f.maximum !== undefined) && <p className="dim">From {f.minimum ?? '−∞'} to {f.maximum ?? '∞'}.</p>}
                {f.default !== undefined && f.default !== '' && (
                  <p className="dim">
                    Default: <code>{text(f.default)}</code>
                  </p>
                )}
                {(f.examples?.length ?? 0) > 0 && (
                  <p className="dim">
                    Such as <code>{text(f.examples![0])}</code>
                  </p>
                )}
                {f.items?.properties && <p className="dim">Each has: {Object.keys(f.items.properties).join(', ')}.</p>}
                {f.properties && <Settings schema={f} names={Object.keys(f.properties)} at={`${at}${name}.`} />}
              </dd>
            </div>
        ))}
    </dl>
  );
}

const text = (v: unknown): string => (typeof v === 'string' ? v : JSON.stringify(v));

function typeOf(f: JsonSchema): string {
  if (f.format === 'duration-go') return 'duration, such as 90s or 1h30m';
  if (f.type === 'array') return f.items?.type === 'string' ? 'list of texts' : 'list';
  return { string: 'text', integer: 'whole number', number: 'number', boolean: 'yes or no', object: f.properties ? 'group' : 'names and texts' }[f.type ?? ''] ?? 'value';
}

/** Settings that somebody would begin with: what is needed, and what has an example. */
function exampleOf(kind: Kind): Config {
  const out: Config = {};
  for (const [name, f] of fieldsInOrder(kind.schema)) {
    const needed = kind.schema.required?.includes(name);
    if (!needed && !groupsOf(kind.schema)[0]?.names.includes(name)) continue;
    if (f.writeOnly) {
      if (needed || name !== 'url') out[name] = `\${env:${`${kind.name}_${name}`.toUpperCase()}}`;
    } else if (f.examples?.[0] !== undefined) out[name] = f.examples[0];
    else if (f.default !== undefined) out[name] = f.default;
    else if (needed) out[name] = f.type === 'integer' ? 1 : '…';
  }
  return out;
}

function Words({ title, note, words }: { title: string; note: string; words: Record<string, { word: string; means: string }> }) {
  return (
    <Section title={title} summary={note} flush>
      <dl className={classes.settings}>
        {Object.entries(words).map(([name, w]) => (
          <div key={name} className={classes.setting}>
            <dt>
              <span className={classes.title}>{w.word}</span>
              <code className="dim">{name}</code>
            </dt>
            <dd>{w.means}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

const types: [string, string][] = [
  ['bool', 'yes or no'],
  ['int16 int32 int64', 'whole numbers'],
  ['float32 float64', 'numbers with a floating point'],
  ['decimal(p,s)', 'exact numbers of p digits, s of them after the point'],
  ['date time', 'a day; a time of day'],
  ['timestamp', 'a date and time without a zone'],
  ['timestamptz', 'an instant'],
  ['string', 'text'],
  ['binary', 'bytes'],
  ['json', 'nested data'],
];

function Types({ side }: { side: Role }) {
  return (
    <Section title="Types" summary={side === 'source' ? 'every value of the source becomes one of these' : 'it holds all of these; a column that has to grow is widened in place'} flush>
      <dl className={classes.settings}>
        {types.map(([name, means]) => (
          <div key={name} className={classes.setting}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>{means}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

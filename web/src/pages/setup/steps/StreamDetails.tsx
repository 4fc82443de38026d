import { Button, Radio, Select, TagsInput } from '@mantine/core';
import { streamName } from '../../../ui/format';
import { effective, reads, writes, writesFor, type Offered, type Read, type Settings, type Write } from '../model/streams';
import classes from './StreamDetails.module.css';

interface Props {
  stream: Offered;
  settings: Settings | undefined;
  onChange: (change: Settings) => void;
  onClose: () => void;
}

/** How one stream is read and written, and what becomes of its columns; in plain words. */
export function StreamDetails({ stream, settings, onChange, onClose }: Props) {
  const way = effective(stream, settings);
  const name = streamName(stream);
  const best = effective(stream, undefined);
  const setMode = (mode: Read) => {
    const fits = writesFor(mode, way.key);
    onChange({
      mode: mode === best.mode ? undefined : mode,
      cursor: mode === 'incremental' ? settings?.cursor : undefined,
      write: settings?.write && fits.includes(settings.write) ? settings.write : undefined,
    });
  };
  const setWrite = (write: Write) => onChange({ write: write === effective(stream, { ...settings, write: undefined }).write ? undefined : write });
  return (
    <section className={classes.panel} aria-label={`Settings of ${name}`}>
      <div className="row">
        <h3 className={classes.title}>{name}</h3>
        <Button variant="subtle" color="gray" onClick={onClose}>
          Close
        </Button>
      </div>
      {stream.doc && <p className="dim">{stream.doc}</p>}
      <div className={classes.two}>
        <Radio.Group label="How it is read" value={way.mode} onChange={(v) => setMode(v)}>
          {(stream.modes as Read[]).map((m, i) => (
            <Radio key={m} mt={8} value={m} size="sm" label={i === 0 ? `${reads[m].word} (recommended)` : reads[m].word} description={reads[m].means} />
          ))}
        </Radio.Group>
        <Radio.Group label="How rows land" value={way.write} onChange={(v) => setWrite(v)}>
          {writesFor(way.mode, way.key).map((w) => (
            <Radio key={w} mt={8} value={w} size="sm" label={writes[w].word} description={writes[w].means} />
          ))}
        </Radio.Group>
      </div>
      <div className={classes.two}>
        {way.mode === 'incremental' && (stream.cursors?.length ?? 0) > 0 && (
          <Select label="Column that grows" description="Rows are new or changed when it is later than at the last sync." data={stream.cursors ?? []} value={way.cursor ?? null} allowDeselect={false} onChange={(v) => onChange({ cursor: !v || v === stream.cursors?.[0] ? undefined : v })} size="sm" />
        )}
        <TagsInput
          label="Key"
          description={stream.key?.length ? 'The columns that tell rows apart; the source names them.' : 'The columns that tell rows apart. The source names none: with one, rows can be updated rather than added.'}
          size="sm"
          data={(stream.columns ?? []).map((c) => c.name)}
          value={way.key}
          onChange={(v) => onChange({ primary_key: JSON.stringify(v) === JSON.stringify(stream.key ?? []) ? undefined : v, ...(settings?.write && !writesFor(way.mode, v).includes(settings.write) ? { write: undefined } : {}) })}
        />
      </div>
      {(stream.columns?.length ?? 0) > 0 && <Columns stream={stream} settings={settings} onChange={onChange} fixed={[...way.key, ...(way.cursor ? [way.cursor] : [])]} />}
    </section>
  );
}

type Fate = 'load' | 'hash' | 'exclude';
const fates: { value: Fate; label: string }[] = [
  { value: 'load', label: 'Load' },
  { value: 'hash', label: 'Only a hash' },
  { value: 'exclude', label: 'Leave out' },
];

function Columns({ stream, settings, onChange, fixed }: Pick<Props, 'stream' | 'settings' | 'onChange'> & { fixed: string[] }) {
  const fate = (c: string): Fate => (settings?.exclude?.includes(c) ? 'exclude' : settings?.hash?.includes(c) ? 'hash' : 'load');
  const put = (c: string, to: Fate) => {
    const without = (list: string[] | undefined) => (list ?? []).filter((n) => n !== c);
    onChange({ exclude: [...without(settings?.exclude), ...(to === 'exclude' ? [c] : [])], hash: [...without(settings?.hash), ...(to === 'hash' ? [c] : [])] });
  };
  return (
    <div className={classes.frame} role="region" aria-label="Columns" tabIndex={0}>
      <table className={classes.columns}>
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Type</th>
            <th scope="col">What becomes of it</th>
          </tr>
        </thead>
        <tbody>
          {(stream.columns ?? []).map((c) => (
            <tr key={c.name}>
              <th scope="row">
                {c.name} {stream.key?.includes(c.name) && <span className="dim">key</span>}
              </th>
              <td>
                <code>{c.type}</code>
              </td>
              <td>
                <select aria-label={`What becomes of ${c.name}`} value={fate(c.name)} onChange={(e) => put(c.name, e.currentTarget.value as Fate)} disabled={fixed.includes(c.name)} title={fixed.includes(c.name) ? 'It is needed to tell rows apart, or to find changes.' : undefined}>
                  {fates.map((f) => (
                    <option key={f.value} value={f.value}>
                      {f.label}
                    </option>
                  ))}
                </select>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

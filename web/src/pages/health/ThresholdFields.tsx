import { ActionIcon, Autocomplete, Button, NumberInput, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { fleetQuery } from '../../api/fleet';
import { IconPlus, IconTrash } from '../../ui/icons';
import { faultAt } from '../../ui/useChange';
import { connectionChoices } from '../connections/rows';
import { lineFault, scopes, type Line, type Scope } from './thresholds';

/** Thresholds of single connections, connectors and severities, which come before the policy's own. */
export function ThresholdFields({ lines, onChange, error }: { lines: readonly Line[]; onChange: (lines: Line[]) => void; error: unknown }) {
  const fleet = useQuery({ ...fleetQuery, enabled: lines.some((l) => l.scope !== 'severities') }).data?.items ?? [];
  const connectors = [...new Set(fleet.map((r) => r.connector))].sort();
  const set = (at: number, change: Partial<Line>) => onChange(lines.toSpliced(at, 1, { ...lines[at]!, ...change }));
  return (
    <div className="stack" style={{ paddingTop: 12 }}>
      {lines.map((line, i) => {
        const fault = lineFault(line, lines);
        return (
          // Lines have no name of their own while they are written: their place is who they are.
          <div key={i} className="row wrap" style={{ alignItems: 'flex-end' }} role="group" aria-label={`Threshold ${i + 1}`}>
            <Select w={130} label="Threshold of" data={Object.entries(scopes).map(([value, label]) => ({ value, label }))} value={line.scope} onChange={(v) => set(i, { scope: v as Scope, of: '' })} allowDeselect={false} />
            {line.scope === 'connections' ? (
              <Select w={240} label="Which" searchable limit={50} data={connectionChoices(fleet, [line.of])} value={line.of || null} onChange={(v) => set(i, { of: v ?? '' })} />
            ) : (
              <Autocomplete w={240} label="Which" data={line.scope === 'severities' ? ['sev1', 'sev2', 'sev3', 'sev4'] : connectors} value={line.of} onChange={(of) => set(i, { of })} />
            )}
            <TextInput w={130} label="Down after" placeholder="24h" error={faultAt(error, `${line.scope}.${line.of.trim()}.after`)} value={line.threshold.after ?? ''} onChange={(e) => set(i, { threshold: limits({ ...line.threshold, after: e.currentTarget.value }) })} />
            <NumberInput w={130} label="Or failures" placeholder="no limit" min={1} value={line.threshold.failures ?? ''} onChange={(v) => set(i, { threshold: limits({ ...line.threshold, failures: typeof v === 'number' ? v : 0 }) })} />
            <ActionIcon variant="subtle" color="gray" size={36} aria-label={`Take threshold ${i + 1} away`} onClick={() => onChange(lines.toSpliced(i, 1))}>
              <IconTrash size={15} />
            </ActionIcon>
            {fault && <span className="dim">{fault}</span>}
          </div>
        );
      })}
      <Button variant="subtle" size="compact-sm" style={{ alignSelf: 'flex-start' }} leftSection={<IconPlus size={13} />} onClick={() => onChange([...lines, { scope: 'connectors', of: '', threshold: {} }])}>
        Another threshold for some
      </Button>
    </div>
  );
}

/** What of a threshold was filled in. */
const limits = (t: Line['threshold']): Line['threshold'] => ({ ...(t.after ? { after: t.after } : {}), ...(t.failures ? { failures: t.failures } : {}) });

import { Button, Menu } from '@mantine/core';
import { copyText } from './copy';
import { IconChevronDown, IconCopy } from './icons';
import { toCurl, toYaml, type Call } from './write';

interface Props {
  /** Several only differ in their paths. */
  call: Call | readonly Call[];
  yaml?: object | readonly object[];
  /** Called when the menu opens: read then what only the YAML needs. */
  onOpen?: () => void;
}

/** Copies what a form would send: as a call of the API, and as configuration in YAML. */
export function CopyAs({ call, yaml, onOpen }: Props) {
  const calls: readonly Call[] = 'method' in call ? [call] : call;
  const sent = calls[0]?.body;
  return (
    <Menu position="bottom-end" withinPortal {...(onOpen ? { onOpen } : {})}>
      <Menu.Target>
        <Button variant="default" leftSection={<IconCopy size={14} />} rightSection={<IconChevronDown size={13} />}>
          Copy as
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => copyText(calls.map((c) => toCurl(c, location.origin)).join(''), 'The API call')}>API call (curl)</Menu.Item>
        <Menu.Item onClick={() => copyText(JSON.stringify(sent ?? {}, null, 2), 'The body')} disabled={sent === undefined}>
          JSON
        </Menu.Item>
        {yaml !== undefined && <Menu.Item onClick={() => copyText((Array.isArray(yaml) ? yaml : [yaml]).map(toYaml).join('---\n'), 'The YAML')}>YAML (sluice apply)</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}

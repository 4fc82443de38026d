import { Button, Menu } from '@mantine/core';
import { copyText } from './copy';
import { IconChevronDown, IconCopy } from './icons';
import { toCurl, toYaml, type Call } from './write';

interface Props {
  call: Call;
  yaml?: object | readonly object[];
  /** Called when the menu opens: read then what only the YAML needs. */
  onOpen?: () => void;
}

/** Copies what a form would send: as a call of the API, and as configuration in YAML. */
export function CopyAs({ call, yaml, onOpen }: Props) {
  return (
    <Menu position="bottom-end" withinPortal {...(onOpen ? { onOpen } : {})}>
      <Menu.Target>
        <Button variant="default" leftSection={<IconCopy size={14} />} rightSection={<IconChevronDown size={13} />}>
          Copy as
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => copyText(toCurl(call, location.origin), 'The API call')}>API call (curl)</Menu.Item>
        <Menu.Item onClick={() => copyText(JSON.stringify(call.body ?? {}, null, 2), 'The body')} disabled={call.body === undefined}>
          JSON
        </Menu.Item>
        {yaml !== undefined && <Menu.Item onClick={() => copyText((Array.isArray(yaml) ? yaml : [yaml]).map(toYaml).join('---\n'), 'The YAML')}>YAML (sluice apply)</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  );
}

import { ActionIcon, Button, Menu, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { IconChevronDown, IconTrash } from '../../ui/icons';
import { useUrl } from '../../ui/useUrl';
import classes from './Flight.module.css';
import { useViews } from './savedViews';

/** Saved views: filters and grouping under a name. A view is an address; that is how one shares it. */
export function Views() {
  const { views, save, remove } = useViews();
  const [url] = useUrl();
  const navigate = useNavigate();
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState('');
  const now = new URLSearchParams(Object.entries(url).filter((e): e is [string, string] => e[0] !== 'display' && !!e[1])).toString();
  const current = views.find((v) => v.search === now);
  if (naming)
    return (
      <form
        className="row"
        onSubmit={(e) => {
          e.preventDefault();
          if (name.trim() === '') return;
          save({ name: name.trim(), search: now });
          setNaming(false);
          setName('');
        }}
      >
        <TextInput aria-label="Name of the view" placeholder="Name of the view" value={name} onChange={(e) => setName(e.currentTarget.value)} maxLength={60} autoFocus />
        <Button type="submit">Save</Button>
        <Button variant="default" onClick={() => setNaming(false)}>
          Cancel
        </Button>
      </form>
    );
  return (
    <Menu position="bottom-end" withinPortal returnFocus={false}>
      <Menu.Target>
        <Button variant="default" rightSection={<IconChevronDown size={13} />}>
          {current ? current.name : 'Views'}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => void navigate({ to: '/', search: {} })}>Everything</Menu.Item>
        {views.map((v) => (
          <div key={v.name} className={classes.view}>
            <Menu.Item onClick={() => void navigate({ to: '/', search: Object.fromEntries(new URLSearchParams(v.search)) })}>{v.name}</Menu.Item>
            <ActionIcon variant="subtle" color="gray" aria-label={`Delete the view ${v.name}`} onClick={() => remove(v.name)}>
              <IconTrash size={14} />
            </ActionIcon>
          </div>
        ))}
        <Menu.Divider />
        <Menu.Item disabled={now === ''} onClick={() => setNaming(true)}>
          Save these filters as a view
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

import { Button, Menu, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { copyText } from './copy';
import { IconCheck, IconChevronDown, IconCopy, IconPlus, IconTrash } from './icons';
import { useViews, viewSearch, type Page } from './savedViews';
import { useUrl } from './useUrl';
import classes from './Views.module.css';

/** Saved views of a page: its filters, grouping and order under a name. A view is an address; that is how one shares it. */
export function Views({ page }: { page: Page }) {
  const { views, save, remove } = useViews();
  const [url] = useUrl();
  const navigate = useNavigate();
  const [naming, setNaming] = useState(false);
  const [name, setName] = useState('');
  const mine = views.filter((v) => v.page === page);
  const now = viewSearch(url);
  const current = mine.find((v) => v.search === now);
  const show = (search: string) => void navigate({ to: page, search: Object.fromEntries(new URLSearchParams(search)) });
  if (naming)
    return (
      <form
        className="row"
        onSubmit={(e) => {
          e.preventDefault();
          if (name.trim() === '') return;
          save({ page, name: name.trim(), search: now });
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
    <Menu position="bottom-end" portalProps={{ target: '#main' }} returnFocus={false}>
      <Menu.Target>
        <Button variant="default" rightSection={<IconChevronDown size={13} />} classNames={{ label: classes.label }}>
          {current ? current.name : 'Views'}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => show('')}>Everything</Menu.Item>
        {mine.map((v) => (
          <Menu.Item key={v.name} onClick={() => show(v.search)} rightSection={v === current ? <IconCheck size={14} aria-hidden /> : undefined}>
            {v.name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        {current ? (
          <Menu.Item leftSection={<IconTrash size={14} />} onClick={() => remove(current)}>
            Delete the view {current.name}
          </Menu.Item>
        ) : (
          <Menu.Item leftSection={<IconPlus size={14} />} disabled={now === ''} onClick={() => setNaming(true)}>
            Save these filters as a view
          </Menu.Item>
        )}
        <Menu.Item leftSection={<IconCopy size={14} />} onClick={() => copyText(location.href, 'A link to this view')}>
          Copy a link to this view
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

import { Combobox, useCombobox } from '@mantine/core';
import { useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import classes from './FilterChoice.module.css';
import { count } from './format';
import { IconCheck, IconChevronDown, IconClose } from './icons';

export interface Option {
  value: string;
  label: string;
}

/** No more options than these are drawn at once; typing finds the others. */
const most = 100;

interface Props {
  label: string;
  options: readonly Option[];
  value: readonly string[];
  onChange: (value: string[]) => void;
  /** One at most: a choice takes the place of the one before, and closes the list. */
  single?: boolean | undefined;
}

/**
 * Some of several values, or one, as a button that says which. Its list is made when it is
 * opened: a page has many filters, and most stay closed. Keyboard: Enter, Space or
 * Arrow Down opens; in the list one types to search, which marks the first that is
 * found, arrows move, Enter chooses, and Escape goes back to the button.
 */
export function FilterChoice(props: Props) {
  const { label, options, value, onChange } = props;
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  // A press on the button of an open list closes the list first, as any press outside does.
  const wasOpen = useRef(false);
  const words = value.map((v) => options.find((o) => o.value === v)?.label ?? v).join(', ');
  const toggle = () => {
    setOpen(!wasOpen.current);
    wasOpen.current = false;
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== 'ArrowDown') return;
    e.preventDefault();
    setOpen(true);
  };
  return (
    <div className={classes.choice} data-set={value.length > 0 || undefined}>
      <button
        ref={button}
        type="button"
        className={classes.button}
        aria-haspopup="dialog"
        aria-expanded={open}
        title={words || undefined}
        onPointerDown={() => (wasOpen.current = open)}
        onClick={toggle}
        onKeyDown={onKeyDown}
      >
        <span className="cut">
          {label}
          {words && (
            <>
              : <b>{words}</b>
            </>
          )}
        </span>
        {value.length === 0 && <IconChevronDown size={13} aria-hidden />}
      </button>
      {value.length > 0 && (
        <button type="button" className={classes.clear} aria-label={`Clear ${label.toLowerCase()}`} onClick={() => onChange([])}>
          <IconClose size={13} aria-hidden />
        </button>
      )}
      {open && (
        <Menu
          {...props}
          onClose={() => {
            setOpen(false);
            // However it was closed; a press elsewhere moves on from here.
            button.current?.focus({ preventScroll: true });
          }}
        />
      )}
    </div>
  );
}

function Menu({ label, options, value, onChange, single, onClose }: Props & { onClose: () => void }) {
  const store = useCombobox({ opened: true, onDropdownClose: onClose });
  const [search, setSearch] = useState('');
  // The option that typing marked, until arrows move on from it.
  const [first, setFirst] = useState<string | null>(null);
  const text = search.trim().toLowerCase();
  const found = options.filter((o) => o.label.toLowerCase().includes(text));
  const chosen = new Set(value);
  const submit = (v: string) => {
    const others = single ? [] : value;
    onChange(chosen.has(v) ? others.filter((other) => other !== v) : [...others, v]);
    if (single) onClose();
  };
  const { selectFirstOption, resetSelectedOption } = store;
  useLayoutEffect(() => {
    resetSelectedOption();
    setFirst(text === '' ? null : selectFirstOption());
  }, [text, selectFirstOption, resetSelectedOption]);
  return (
    <Combobox store={store} onOptionSubmit={submit} size="xs" width="max-content" position="bottom-start">
      <Combobox.DropdownTarget>
        <span className={classes.anchor} />
      </Combobox.DropdownTarget>
      <Combobox.Dropdown>
        <div role="dialog" aria-label={label}>
          <Combobox.Search
            aria-label={`Search ${label.toLowerCase()}`}
            placeholder="Search"
            data-autofocus
            // The list was asked for: who opens it types or moves in it next.
            autoFocus
            value={search}
            onChange={(e) => setSearch(e.currentTarget.value)}
            {...(first ? { 'aria-activedescendant': first } : {})}
            onKeyDown={(e) => {
              if (e.key === 'Tab') onClose();
              else if (e.key.startsWith('Arrow')) setFirst(null);
            }}
          />
          <Combobox.Options aria-label={label} aria-multiselectable={!single} className={classes.options}>
            {found.slice(0, most).map((o) => (
              <Combobox.Option key={o.value} value={o.value} aria-selected={chosen.has(o.value)} className={classes.option}>
                <span className={classes.mark}>{chosen.has(o.value) && <IconCheck size={13} aria-hidden />}</span>
                <span className="cut">{o.label}</span>
              </Combobox.Option>
            ))}
          </Combobox.Options>
          <Combobox.Footer className={classes.rest} role="status">
            {found.length === 0 ? 'Nothing is called that' : found.length > most ? `${count(found.length - most)} more: type to find them` : null}
          </Combobox.Footer>
        </div>
      </Combobox.Dropdown>
    </Combobox>
  );
}

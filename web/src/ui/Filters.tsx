import { Button, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { FilterChoice, type Option } from './FilterChoice';
import classes from './Filters.module.css';
import { IconClose, IconSearch } from './icons';
import { listOf, useUrl } from './useUrl';

export interface Filter {
  /** The name in the address. */
  name: string;
  label: string;
  options: readonly (string | Option)[];
  /** One value at most. */
  single?: boolean;
}

/** A search and choices, all in the address. Reset takes back what is set here. */
export function Filters({ search, filters, children }: { search?: { name?: string; label: string }; filters: readonly Filter[]; children?: ReactNode }) {
  const [url, set] = useUrl();
  const names = [...(search ? [search.name ?? 'q'] : []), ...filters.map((f) => f.name)];
  const any = names.some((n) => url[n]);
  return (
    <div className={classes.bar} role="search">
      {search && <SearchBox name={search.name ?? 'q'} label={search.label} />}
      {filters
        .filter((f) => f.options.length > 0)
        .map((f) => (
          <FilterChoice
            key={f.name}
            label={f.label}
            options={f.options.map((o) => (typeof o === 'string' ? { value: o, label: o } : o))}
            value={f.single ? [url[f.name]].filter((v) => v !== undefined) : listOf(url[f.name])}
            single={f.single}
            onChange={(v) => set({ [f.name]: v.join(',') })}
          />
        ))}
      {any && (
        <Button variant="subtle" color="gray" size="xs" leftSection={<IconClose size={13} />} onClick={() => set(Object.fromEntries(names.map((n) => [n, undefined])))}>
          Reset
        </Button>
      )}
      {children}
    </div>
  );
}

/** Searches as one types, a moment after the last key. */
function SearchBox({ name = 'q', label }: { name?: string; label: string }) {
  const [url, set] = useUrl();
  const [text, setText] = useState(url[name] ?? '');
  const typed = useRef(text);
  const inUrl = url[name] ?? '';
  useEffect(() => {
    // The address changed by itself: back, reset, a link.
    if (inUrl !== typed.current) {
      typed.current = inUrl;
      setText(inUrl);
    }
  }, [inUrl]);
  useEffect(() => {
    if (text === typed.current) return;
    const timer = setTimeout(() => {
      typed.current = text;
      set({ [name]: text });
    }, 180);
    return () => clearTimeout(timer);
  }, [text, name, set]);
  return <TextInput aria-label={label} placeholder={label} type="search" size="xs" className={classes.search} leftSection={<IconSearch size={14} />} value={text} onChange={(e) => setText(e.currentTarget.value)} />;
}

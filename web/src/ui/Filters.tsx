import { Button, MultiSelect, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import classes from './Filters.module.css';
import { IconClose, IconSearch } from './icons';
import { listOf, useUrl } from './useUrl';

export interface Filter {
  /** The name in the address. */
  name: string;
  label: string;
  options: readonly (string | { value: string; label: string })[];
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
          <MultiSelect
            key={f.name}
            aria-label={f.label}
            placeholder={url[f.name] ? undefined : f.label}
            data={f.options.map((o) => (typeof o === 'string' ? { value: o, label: o } : o))}
            value={listOf(url[f.name])}
            onChange={(v) => set({ [f.name]: v.join(',') })}
            size="xs"
            className={classes.select}
            searchable={f.options.length > 8}
            clearable
            clearButtonProps={{ 'aria-label': `Clear ${f.label.toLowerCase()}` }}
            comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
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
export function SearchBox({ name = 'q', label }: { name?: string; label: string }) {
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

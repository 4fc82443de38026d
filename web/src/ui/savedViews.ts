import { useCallback, useSyncExternalStore } from 'react';

/** The pages that have views. */
export type Page = '/' | '/connections';

/** A view that someone gave a name: what was in the address of a page. */
export interface View {
  page: Page;
  name: string;
  search: string;
}

const place = 'sluice-views';
const listeners = new Set<() => void>();
let cached: { text: string | null; views: View[] } = { text: null, views: [] };

const text = (o: object, key: string): string | undefined => {
  const v: unknown = Reflect.get(o, key);
  return typeof v === 'string' ? v : undefined;
};

/** Views out of what storage holds, which anybody may have written. One without a page is of flight control, which had views first. */
export function parseViews(stored: string | null): View[] {
  try {
    const list: unknown = JSON.parse(stored ?? '[]');
    if (!Array.isArray(list)) return [];
    return list.flatMap((v: unknown) => {
      if (typeof v !== 'object' || v === null) return [];
      const [page, name, search] = [text(v, 'page') ?? '/', text(v, 'name'), text(v, 'search')];
      return (page === '/' || page === '/connections') && name && search !== undefined ? [{ page, name, search }] : [];
    });
  } catch {
    return [];
  }
}

function read(): View[] {
  let text: string | null = null;
  try {
    text = localStorage.getItem(place);
  } catch {
    return cached.views; // storage is forbidden: they last as long as the page
  }
  if (text !== cached.text) cached = { text, views: parseViews(text) };
  return cached.views;
}

function write(views: View[]): void {
  const text = JSON.stringify(views);
  cached = { text, views };
  try {
    localStorage.setItem(place, text);
  } catch {
    // They last as long as the page.
  }
  listeners.forEach((l) => l());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener('storage', listener);
  return () => {
    listeners.delete(listener);
    removeEventListener('storage', listener);
  };
}

const same = (a: View, b: View): boolean => a.page === b.page && a.name === b.name;

/** Of an address, what a view keeps: filters, grouping, order; not what is selected, nor the wall display. */
export function viewSearch(url: Readonly<Record<string, string | undefined>>): string {
  return new URLSearchParams(Object.entries(url).filter((e): e is [string, string] => e[0] !== 'display' && e[0] !== 'sel' && !!e[1])).toString();
}

/** The saved views of this browser; saving under a name that a page has replaces that one. */
export function useViews() {
  const views = useSyncExternalStore(subscribe, read);
  const save = useCallback((view: View) => write([...read().filter((v) => !same(v, view)), view].sort((a, b) => a.name.localeCompare(b.name))), []);
  const remove = useCallback((view: View) => write(read().filter((v) => !same(v, view))), []);
  return { views, save, remove };
}

import { useCallback, useSyncExternalStore } from 'react';

/** A view that someone gave a name: what was in the address. */
export interface View {
  name: string;
  search: string;
}

const place = 'sluice-views';
const listeners = new Set<() => void>();
let cached: { text: string | null; views: View[] } = { text: null, views: [] };

/** Views out of what storage holds, which anybody may have written. */
export function parseViews(text: string | null): View[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(list)) return [];
    return list.filter((v): v is View => typeof v === 'object' && v !== null && typeof (v as View).name === 'string' && typeof (v as View).search === 'string');
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

/** The saved views of this browser; saving under a name that there is replaces it. */
export function useViews() {
  const views = useSyncExternalStore(subscribe, read);
  const save = useCallback((view: View) => write([...read().filter((v) => v.name !== view.name), view].sort((a, b) => a.name.localeCompare(b.name))), []);
  const remove = useCallback((name: string) => write(read().filter((v) => v.name !== name)), []);
  return { views, save, remove };
}

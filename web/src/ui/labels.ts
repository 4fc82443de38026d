/** The labels of a connection, as people write them: `key=value`. */
export const labelTexts = (labels: Readonly<Record<string, string>> | undefined): string[] => Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);

/** A label as people type it, `key=value`; null where it is none. */
export function parseLabel(text: string): { key: string; value: string } | null {
  const m = /^\s*([^=\s]+)\s*=\s*(.+?)\s*$/.exec(text);
  return m ? { key: m[1]!, value: m[2]! } : null;
}

/** The labels of such texts; of one key the last, and none of what is no label. */
export const labelsFrom = (texts: readonly string[]): Record<string, string> => Object.fromEntries(texts.flatMap((t) => parseLabel(t) ?? []).map((l) => [l.key, l.value]));

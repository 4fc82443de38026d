/** Something that the palette finds. */
export interface Entry {
  id: string;
  label: string;
  /** Further words that it is found by. */
  also?: string;
  hint: string;
  status?: string;
  /** What is as good a match is ordered by this, the highest first. */
  rank: number;
  /** Shown only when what was typed begins with it (or with a part of three letters): sync, pause. */
  verb?: string;
  run: () => void;
}

const most = 40;

/** What fits what was typed, the best first. All words must be there. */
export function rankEntries(entries: readonly Entry[], typed: string): Entry[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const scored: { e: Entry; score: number }[] = [];
  for (const e of entries) {
    const score = scoreOf(e, words);
    if (score > 0) scored.push({ e, score });
  }
  return scored.sort((a, b) => b.score - a.score || b.e.rank - a.e.rank || a.e.label.localeCompare(b.e.label, 'en', { numeric: true })).slice(0, most).map((s) => s.e);
}

function scoreOf(e: Entry, words: readonly string[]): number {
  if (e.verb && !(words[0] && words[0].length >= 3 && e.verb.startsWith(words[0]))) return 0;
  if (words.length === 0) return 1;
  const label = e.label.toLowerCase();
  const also = (e.also ?? '').toLowerCase();
  let score = 0;
  for (const w of words) {
    if (label === w) score += 8;
    else if (label.startsWith(w)) score += 6;
    else if (label.includes(` ${w}`)) score += 4;
    else if (label.includes(w)) score += 2;
    else if (also.includes(w)) score += 1;
    else return 0;
  }
  return score;
}

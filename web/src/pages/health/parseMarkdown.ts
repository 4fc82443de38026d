/** A piece of a text of Markdown: what runbooks and reviews use of it, and no HTML, ever. */
export type Inline = { kind: 'text' | 'code' | 'strong' | 'em'; text: string } | { kind: 'link'; text: string; href: string };

export type Block =
  | { kind: 'heading'; level: 2 | 3 | 4; text: Inline[] }
  | { kind: 'paragraph' | 'quote'; text: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'list'; ordered: boolean; items: Inline[][] }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] };

const mark = /(`+)([^`]|[^`].*?[^`])\1(?!`)|\*\*(.+?)\*\*|(?<![\w*])[*_](?!\s)(.+?)(?<!\s)[*_](?![\w*])|\[([^\]]+)\]\(([^()\s]+)\)|<(https?:\/\/[^>\s]+)>/g;

/** Code, strong, emphasis and links of a line. Links lead to the web or within the page: others stay text. */
export function inline(text: string): Inline[] {
  const out: Inline[] = [];
  let at = 0;
  const put = (kind: 'text' | 'code' | 'strong' | 'em', piece: string) => piece !== '' && out.push({ kind, text: piece });
  for (const m of text.matchAll(mark)) {
    put('text', text.slice(at, m.index));
    at = m.index + m[0].length;
    const [whole, , code, strong, em, label, href, bare] = m;
    if (code !== undefined) put('code', code);
    else if (strong !== undefined) put('strong', strong);
    else if (em !== undefined) put('em', em);
    else if (bare !== undefined) out.push({ kind: 'link', text: bare, href: bare });
    else if (label !== undefined && href !== undefined && /^(https?:\/\/|#)/.test(href)) out.push({ kind: 'link', text: label, href });
    else put('text', label ?? whole);
  }
  put('text', text.slice(at));
  return out;
}

const fence = /^\s{0,3}(```|~~~)/;
const heading = /^(#{1,6})\s+(.*?)\s*#*$/;
const bullet = /^\s{0,3}[-*+]\s+(.*)$/;
const numbered = /^\s{0,3}\d{1,9}[.)]\s+(.*)$/;
const quoted = /^\s{0,3}>\s?(.*)$/;
const ruleLine = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const begins = (line: string) => fence.test(line) || heading.test(line) || bullet.test(line) || numbered.test(line) || quoted.test(line);
const cells = (line: string) => line.trim().replace(/^\|/, '').replace(/\|$/, '').split(/(?<!\\)\|/).map((c) => inline(c.trim()));

/** The blocks of a text. What it does not know stays as the text that it is. */
export function parse(source: string): Block[] {
  const lines = source.replaceAll('\r\n', '\n').split('\n');
  const out: Block[] = [];
  for (let n = 0; n < lines.length; ) {
    const line = lines[n]!;
    const h = heading.exec(line);
    if (line.trim() === '') n++;
    else if (fence.test(line)) {
      const end = lines.findIndex((l, i) => i > n && fence.test(l));
      const last = end < 0 ? lines.length : end;
      out.push({ kind: 'code', text: lines.slice(n + 1, last).join('\n') });
      n = last + 1;
    } else if (h) {
      out.push({ kind: 'heading', level: Math.min(4, Math.max(2, h[1]!.length)) as 2 | 3 | 4, text: inline(h[2]!) });
      n++;
    } else if (line.includes('|') && ruleLine.test(lines[n + 1] ?? '')) {
      const rows: Inline[][][] = [];
      let i = n + 2;
      for (; i < lines.length && lines[i]!.includes('|'); i++) rows.push(cells(lines[i]!));
      out.push({ kind: 'table', head: cells(line), rows });
      n = i;
    } else n = bullet.test(line) || numbered.test(line) ? list(lines, n, out) : paragraph(lines, n, out);
  }
  return out;
}

function list(lines: readonly string[], from: number, out: Block[]): number {
  const ordered = numbered.test(lines[from]!);
  const item = ordered ? numbered : bullet;
  const items: string[] = [];
  let n = from;
  for (; n < lines.length; n++) {
    const line = lines[n]!;
    const m = item.exec(line);
    if (m) items.push(m[1]!);
    else if (line.trim() !== '' && /^\s+/.test(line)) items.push(`${items.pop()} ${line.trim()}`);
    else if (line.trim() !== '' || !item.test(lines[n + 1] ?? '')) break;
  }
  out.push({ kind: 'list', ordered, items: items.map(inline) });
  return n;
}

function paragraph(lines: readonly string[], from: number, out: Block[]): number {
  const quote = quoted.exec(lines[from]!);
  const text = [quote ? quote[1]! : lines[from]!.trim()];
  let n = from + 1;
  for (; n < lines.length && lines[n]!.trim() !== ''; n++) {
    const more = quoted.exec(lines[n]!);
    if (quote ? !more : begins(lines[n]!)) break;
    text.push(quote ? more![1]! : lines[n]!.trim());
  }
  out.push({ kind: quote ? 'quote' : 'paragraph', text: inline(text.join(' ')) });
  return n;
}

import { describe, expect, it } from 'vitest';
import { inline, parse } from './parseMarkdown';

describe('inline', () => {
  it('has code, strong, emphasis and links', () => {
    expect(inline('set `a*b` **now**, _please_: [docs](https://example.com/x)')).toEqual([
      { kind: 'text', text: 'set ' },
      { kind: 'code', text: 'a*b' },
      { kind: 'text', text: ' ' },
      { kind: 'strong', text: 'now' },
      { kind: 'text', text: ', ' },
      { kind: 'em', text: 'please' },
      { kind: 'text', text: ': ' },
      { kind: 'link', text: 'docs', href: 'https://example.com/x' },
    ]);
  });
  it('leaves names with underscores and stars alone', () => expect(inline('snake_case_name and 2 * 3 * 4')).toEqual([{ kind: 'text', text: 'snake_case_name and 2 * 3 * 4' }]));
  it('makes no link of what would run', () => expect(inline('[x](javascript:alert)')).toEqual([{ kind: 'text', text: 'x' }]));
  it('leaves HTML the text that it is', () => expect(inline('<img src=x onerror=alert(1)>')).toEqual([{ kind: 'text', text: '<img src=x onerror=alert(1)>' }]));
});

describe('parse', () => {
  it('has headings, paragraphs of several lines, lists and code', () => {
    const blocks = parse('# Title\n\nOne\ntwo.\n\n- a\n  goes on\n- b\n\n1. first\n2. second\n\n```sql\nselect 1\n```\n> said\n');
    expect(blocks.map((b) => b.kind)).toEqual(['heading', 'paragraph', 'list', 'list', 'code', 'quote']);
    expect(blocks[1]).toEqual({ kind: 'paragraph', text: [{ kind: 'text', text: 'One two.' }] });
    expect(blocks[2]).toMatchObject({ ordered: false, items: [[{ text: 'a goes on' }], [{ text: 'b' }]] });
    expect(blocks[3]).toMatchObject({ ordered: true });
    expect(blocks[4]).toEqual({ kind: 'code', text: 'select 1' });
  });
  it('has tables', () => expect(parse('| a | b |\n|---|:-:|\n| 1 | 2 |')).toEqual([{ kind: 'table', head: [[{ kind: 'text', text: 'a' }], [{ kind: 'text', text: 'b' }]], rows: [[[{ kind: 'text', text: '1' }], [{ kind: 'text', text: '2' }]]] }]));
  it('ends, whatever it is given', () => {
    for (const text of ['```', '|', '- ', '>', '# ', '1.', '**', '[](', '|\n|-', '\n\n\n', '- a\n\nb', '   x']) expect(Array.isArray(parse(text))).toBe(true);
  });
});

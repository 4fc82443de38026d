import { expect, it } from 'vitest';
import { toCurl, toYaml } from './write';

it('writes YAML that means the same', () => {
  expect(toYaml({ kind: 'source', name: 'shop', on: 'yes', empty: {}, none: [], skip: undefined, config: { base_url: 'http://x', n: 3, list: ['a', { b: 1, c: 'x: y' }] } })).toBe(
    ['kind: source', 'name: shop', 'on: "yes"', 'empty: {}', 'none: []', 'config:', '  base_url: "http://x"', '  n: 3', '  list:', '    - a', '    - b: 1', '      c: "x: y"', ''].join('\n'),
  );
});

it('writes texts that are other things as texts', () => {
  expect(toYaml({ a: '5', b: 'null', c: '', d: 'a #b', e: '- x', f: 'line\nbreak', g: null })).toBe('a: "5"\nb: "null"\nc: ""\nd: "a #b"\ne: "- x"\nf: "line\\nbreak"\ng: null\n');
});

it('quotes what the shell would take apart', () => {
  expect(toCurl({ method: 'POST', path: '/api/v1/sources', body: { name: "it's $HOME" } }, 'http://h')).toContain(`-d '{"name":"it'\\''s $HOME"}'`);
});

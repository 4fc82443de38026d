import { describe, expect, it } from 'vitest';
import { lineFault, linesOf, withLines, type Line } from './thresholds';

const spec = { due: '21d', connectors: { github: { after: '24h' } }, connections: { con_1: { failures: 3 } } };

describe('thresholds of their own', () => {
  it('are lines, and lines are thresholds again', () => {
    expect(linesOf(spec)).toEqual([
      { scope: 'connections', of: 'con_1', threshold: { failures: 3 } },
      { scope: 'connectors', of: 'github', threshold: { after: '24h' } },
    ]);
    expect(withLines(spec, linesOf(spec))).toEqual(spec);
    expect(withLines(spec, [{ scope: 'severities', of: ' sev1', threshold: { after: '4h' } }])).toEqual({ due: '21d', severities: { sev1: { after: '4h' } } });
  });

  it('name whose they are, once, and a limit', () => {
    const line: Line = { scope: 'connectors', of: 'github', threshold: { after: '24h' } };
    expect(lineFault(line, [line])).toBeUndefined();
    expect(lineFault({ ...line, of: ' ' }, [])).toMatch(/Whose/);
    expect(lineFault(line, [line, { ...line, of: 'github ' }])).toMatch(/another/);
    expect(lineFault({ ...line, threshold: {} }, [])).toMatch(/after what time/);
  });
});

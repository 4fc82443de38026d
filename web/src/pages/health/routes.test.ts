import { describe, expect, it } from 'vitest';
import { cleanRoute, moved, routeFault } from './routes';

describe('the routes of alerts', () => {
  it('move as far as there is room', () => {
    expect(moved(['a', 'b', 'c'], 2, -1)).toEqual(['a', 'c', 'b']);
    expect(moved(['a', 'b', 'c'], 0, 1)).toEqual(['b', 'a', 'c']);
    expect(moved(['a', 'b'], 0, -1)).toEqual(['a', 'b']);
    expect(moved(['a', 'b'], 1, 1)).toEqual(['a', 'b']);
  });

  it('are sent without what was left empty', () => {
    const sent = cleanRoute({ name: ' growth ', channels: ['chn_1'], match: [{ label: 'team', is: ['growth'] }], continue: false, repeat: '', group_by: [] });
    expect(sent).toEqual({ name: 'growth', channels: ['chn_1'], match: [{ label: 'team', is: ['growth'] }] });
    expect(cleanRoute({ name: 'all', channels: [], continue: true, repeat: 'never' })).toEqual({ name: 'all', channels: [], continue: true, repeat: 'never' });
  });

  it('have a name of their own, and lead somewhere', () => {
    expect(routeFault({ name: ' ', channels: ['c'] }, [])).toMatch(/no name/);
    expect(routeFault({ name: 'growth ', channels: ['c'] }, ['growth'])).toMatch(/Another route/);
    expect(routeFault({ name: 'growth', channels: [] }, [])).toMatch(/no channel/);
    expect(routeFault({ name: 'growth', channels: ['c'] }, ['sales'])).toBeUndefined();
  });

  it('do not take everything because a condition is unfinished', () => {
    expect(routeFault({ name: 'growth', channels: ['c'], match: [{ label: 'team', is: [] }] }, [])).toMatch(/condition/);
    expect(routeFault({ name: 'growth', channels: ['c'], match: [{ label: 'team', is: ['growth'] }] }, [])).toBeUndefined();
  });
});

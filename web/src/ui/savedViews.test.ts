import { describe, expect, it } from 'vitest';
import { parseViews, viewSearch } from './savedViews';

describe('saved views', () => {
  it('are read from what anybody may have written', () => {
    expect(parseViews(null)).toEqual([]);
    expect(parseViews('{"page":"/"}')).toEqual([]);
    expect(parseViews('not JSON')).toEqual([]);
    expect(parseViews(JSON.stringify([1, null, { name: 'a' }, { name: 2, search: '' }, { page: 'https://elsewhere', name: 'b', search: '' }]))).toEqual([]);
  });
  it('belong to a page; those without one are of flight control', () => {
    expect(parseViews(JSON.stringify([{ name: 'a', search: 'team=x' }, { page: '/connections', name: 'a', search: 'sort=name' }]))).toEqual([
      { page: '/', name: 'a', search: 'team=x' },
      { page: '/connections', name: 'a', search: 'sort=name' },
    ]);
  });
  it('keep filters and order, not what is selected', () => {
    expect(viewSearch({ team: 'a b', sort: '-name', sel: 'con_1', display: 'wall', q: '', region: undefined })).toBe('team=a+b&sort=-name');
  });
});

import { expect, it } from 'vitest';
import { labelsFrom, labelTexts } from '../../ui/labels';
import { cleanRule, ruleSummary } from './rules';

it('sends what the kind takes, and no empty settings', () => {
  expect(cleanRule({ name: 'n', kind: 'queue_depth', above: 5, age: '1h', by: 'team', for: '', channels: [], enabled: true })).toEqual({ name: 'n', kind: 'queue_depth', above: 5, enabled: true });
});

it('says what a rule fires for', () => {
  expect(ruleSummary({ name: 'n', enabled: true, kind: 'failing_share', above: 0.2, by: 'connector', for: '10m' })).toBe('20 % or more, by connector, held for 10m');
  expect(ruleSummary({ name: 'n', enabled: true, kind: 'worker_lost', age: '2m' })).toBe('silent for 2m');
});

it('sends of a filter what is filled in', () => {
  expect(cleanRule({ name: 'n', kind: 'region_without_workers', enabled: true, filter: { teams: [], labels: {} } })).toEqual({ name: 'n', kind: 'region_without_workers', enabled: true });
  const filter = { teams: ['growth'], labels: { env: 'prod' } };
  expect(cleanRule({ name: 'n', kind: 'region_without_workers', enabled: true, filter: { ...filter, regions: [] } }).filter).toEqual(filter);
  expect(ruleSummary({ name: 'n', kind: 'connection_health', enabled: true, states: ['down'], filter })).toBe('down, of some connections');
});

it('reads labels as people write them', () => {
  expect(labelsFrom(['env=prod', 'no label', 'tier = a=b', 'env=test'])).toEqual({ env: 'test', tier: 'a=b' });
  expect(labelTexts({ env: 'prod' })).toEqual(['env=prod']);
});

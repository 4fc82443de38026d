import { describe, expect, it } from 'vitest';
import { faultsOf } from '../form/validate';
import { clean, fieldMessages, fieldsOf, groupsOf, patchOf, secretsOf, withoutSecrets, withPlaceholders, type JsonSchema } from './schema';

const shop: JsonSchema = {
  type: 'object',
  required: ['api_key'],
  'x-order': ['base_url', 'api_key', 'page_size'],
  properties: {
    page_size: { type: 'integer', default: 1000, minimum: 1, maximum: 5000, title: 'Page size' },
    api_key: { type: 'string', writeOnly: true, title: 'API key' },
    base_url: { type: 'string', default: 'http://127.0.0.1:8099', title: 'Base URL' },
  },
};
const github: JsonSchema = {
  type: 'object',
  'x-order': ['token', 'app', 'owners', 'include_forks', 'base_url'],
  properties: {
    token: { type: 'string', writeOnly: true },
    app: { type: 'object', required: ['app_id', 'private_key'], properties: { app_id: { type: 'integer', minimum: 1 }, private_key: { type: 'string', writeOnly: true } } },
    owners: { type: 'array', items: { type: 'string' } },
    include_forks: { type: 'boolean', default: true },
    base_url: { type: 'string', default: 'https://api.github.com' },
  },
};

describe('groups', () => {
  it('show what everyone fills in and fold the rest', () => {
    expect(groupsOf(shop)).toEqual([{ title: '', names: ['base_url', 'api_key'] }, { title: 'Advanced', names: ['page_size'] }]);
    expect(groupsOf(github)).toEqual([{ title: '', names: ['token', 'app', 'owners'] }, { title: 'Advanced', names: ['include_forks', 'base_url'] }]);
    expect(groupsOf({ 'x-order': ['path', 'quote', 'sslcert'], properties: { path: {}, quote: { description: 'CSV: the character.' }, sslcert: { title: 'TLS certificate' } } }).map((g) => g.title)).toEqual(['', 'CSV', 'TLS']);
  });
});

describe('settings', () => {
  it('are sent without what is empty', () => {
    expect(clean({ a: '', b: [], c: { d: undefined }, e: 0, f: false, g: { h: 1 } })).toEqual({ e: 0, f: false, g: { h: 1 } });
  });
  it('are kept and copied without secrets', () => {
    expect(secretsOf(github)).toEqual(['token', 'app.private_key']);
    expect(withoutSecrets({ token: 's', app: { app_id: 1, private_key: 's' }, owners: ['o'] }, github)).toEqual({ app: { app_id: 1 }, owners: ['o'] });
    expect(withPlaceholders({ token: 's', app: { app_id: 1, private_key: '${file:/k}' } }, github, 'github')).toEqual({ token: '${env:GITHUB_TOKEN}', app: { app_id: 1, private_key: '${file:/k}' } });
  });
  it('are changed by what differs alone', () => {
    expect(patchOf({ base_url: 'a', page_size: 5 }, { base_url: 'b' }, ['api_key'])).toEqual({ base_url: 'b', page_size: null });
    expect(patchOf({ app: { app_id: 1 } }, { app: { app_id: 1, private_key: 'new' } }, secretsOf(github))).toEqual({ app: { private_key: 'new' } });
  });
});

describe('faults', () => {
  it('are at the fields, and kept secrets count as given', () => {
    expect(faultsOf(shop, { page_size: 0 }, [])).toEqual({ 'config.api_key': 'This is needed.', 'config.page_size': 'This must be from 1 to 5000.' });
    expect(faultsOf(shop, {}, ['api_key'])).toEqual({});
    expect(faultsOf(github, { app: { app_id: 1.5 } }, [])).toEqual({ 'config.app.private_key': 'This is needed.', 'config.app.app_id': 'This must be a whole number.' });
  });
});

describe('failures point at fields', () => {
  it.each([
    [{ class: 'auth', message: 'the API answered 401: send the API key as a bearer token', hint: 'set api_key to the key that sluice sample-api was started with' }, ['api_key']],
    [{ class: 'transient', message: 'nothing listens at 127.0.0.1:9', hint: 'start the sample API, or set base_url to the address that it prints' }, ['base_url']],
    [{ class: 'config', message: 'the base URL is not an http or https address', hint: '' }, ['base_url']],
    [{ class: 'auth', message: 'refused', hint: '' }, ['api_key']],
    [{ class: 'transient', message: 'no route', hint: '' }, ['base_url']],
  ] as const)('%j', (failure, fields) => {
    expect(fieldsOf(failure, shop, { base_url: 'x', api_key: 'y' })).toEqual(fields);
  });
  it('does not take a common word for a field', () => {
    const db: JsonSchema = { properties: { host: { type: 'string', title: 'Host' }, user: { type: 'string', title: 'User' }, password: { type: 'string', writeOnly: true, title: 'Password' } } };
    expect(fieldsOf({ class: 'auth', message: 'authentication failed', hint: 'set the password that the database knows' }, db, { host: 'h', user: 'u', password: 'p' })).toEqual(['password']);
  });
  it('and so do problems', () => {
    expect(fieldMessages([{ location: 'body.config.api_key', message: 'is required' }, { location: 'body.config', message: 'the base URL is not an address' }, { location: 'body.name', message: 'is taken' }, { location: 'body.streams[3].mode', message: 'bad' }], shop)).toEqual({ 'config.api_key': 'is required', 'config.base_url': 'the base URL is not an address', name: 'is taken', 'streams.3.mode': 'bad' });
  });
});

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { check, closeBrowser, copied, ended, plan, signIn, startPlatform, startShop, still, until } from './kit.mjs';

let platform, shop, slow;
/** A connection that works, one that takes its time, one whose key is wrong, and one whose columns change. */
const c = {};
let file;
const evil = '<img src=x onerror=alert(1)>';
const rows = (more = '') => `id,name${more && ',' + more}\n1,Ann${more && ',x'}\n2,${evil}${more && ',y'}\n`;

before(async () => {
  shop = await startShop();
  slow = await startShop({ rate: 12, scale: 4 });
  platform = await startPlatform();
  const { api, dir } = platform;
  const source = (name, base_url, api_key = 'demo') => api('POST', '/api/v1/sources', { name, connector: 'shop', config: { base_url, api_key } });
  await source('shop', shop.url);
  await source('slow shop', slow.url);
  await source('locked shop', shop.url, 'wrong');
  file = join(dir, 'people.csv');
  writeFileSync(file, rows());
  await api('POST', '/api/v1/sources', { name: 'people file', connector: 'file', config: { path: file, primary_key: ['id'] } });
  await api('POST', '/api/v1/destinations', { name: 'warehouse', connector: 'duckdb', config: { path: join(dir, 'warehouse.duckdb') } });
  const connect = async (name, source, more = {}) => api('POST', '/api/v1/connections', { name, source, destination: 'warehouse', schedule: { manual: true }, ...more });
  c.good = await connect(`good ${evil}`, 'shop', { schedule: { every: '1h' }, labels: { env: 'prod' } });
  c.slow = await connect('slow', 'slow shop');
  c.bad = await connect('locked', 'locked shop');
  c.people = await connect('people', 'people file', { drift: 'block_all' });
  for (const one of [c.bad, c.people]) await api('POST', `/api/v1/connections/${one.id}/sync`);
  for (const one of [c.good, c.bad, c.people]) await ended(platform, one.id);
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
  await slow?.stop();
});

const open = (one, tab, how = {}) => signIn(platform, { ...how, at: `/connections/${one.id}/${tab}` });
const sync = async (one) => {
  const before = (await platform.api('GET', `/api/v1/connections/${one.id}`)).last_sync?.id;
  await platform.api('POST', `/api/v1/connections/${one.id}/sync`);
  return until('the next sync has ended', async () => {
    const now = await platform.api('GET', `/api/v1/connections/${one.id}`);
    return now.last_sync?.id !== before && now.last_sync?.state === 'ended' ? now : undefined;
  });
};

test('a sync is asked for, seen live, cancelled, and kept in the timeline', async () => {
  const page = await open(c.slow, 'timeline');
  await page.getByRole('button', { name: 'Sync now' }).click();
  await page.getByText('The sync is queued.').waitFor();
  await page.getByRole('progressbar').first().waitFor();
  await page.getByRole('img', { name: /Source: slow shop.*Read: .* rows.*Destination: warehouse/ }).waitFor();
  const live = page.getByRole('region', { name: 'Streams of the sync' });
  await live.getByRole('row').filter({ hasText: 'orders' }).waitFor();
  const read = async () => (await page.getByRole('img', { name: /Read:/ }).getAttribute('aria-label')) ?? '';
  const first = await read();
  await until('the numbers move', async () => (await read()) !== first, 5000);
  await check(page, 'connection-live');
  await page.getByRole('link', { name: 'Logs', exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  const lines = page.getByRole('log', { name: 'Log' });
  await lines.getByText('the sync begins').waitFor();
  await check(page, 'connection-logs-live');
  await page.getByRole('button', { name: 'Cancel sync' }).click();
  await page.getByText('The sync ends at its next safe point, within ten seconds.').waitFor();
  await page.getByRole('status').filter({ hasText: 'Complete' }).waitFor({ timeout: 20_000 });
  await page.getByRole('link', { name: 'Timeline' }).click();
  await page.getByRole('link', { name: 'Sync cancelled' }).waitFor();
  await page.getByRole('button', { name: 'Sync now' }).waitFor();
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('pausing and resuming show what the server has confirmed', async () => {
  const page = await open(c.good, 'timeline');
  await page.route('**/pause', (r) => r.fulfill({ status: 409, contentType: 'application/problem+json', body: JSON.stringify({ status: 409, code: 'made_up', detail: `no ${evil}`, hint: 'wait' }) }), { times: 1 });
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('alert').getByText(`No ${evil}.`).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('button', { name: 'Resume' }).count(), 0, 'shown as paused though the server said no');
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  await page.getByText('Paused', { exact: true }).last().waitFor();
  assert.equal((await platform.api('GET', `/api/v1/connections/${c.good.id}`)).paused, false);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('an error is shown with code, meaning, remedy, runbook and evidence', async () => {
  const page = await open(c.bad, 'timeline');
  const main = page.getByRole('main');
  await main.getByText('shop_http_401').first().waitFor();
  await main.getByText('The credentials were refused or have expired').waitFor();
  await main.getByText('What to do:').waitFor();
  await main.getByText('GET /v1/customers', { exact: true }).waitFor();
  assert.match((await main.getByRole('link', { name: 'Runbook' }).getAttribute('href')) ?? '', /\/health\/runbooks\/api-credentials/);
  await main.getByRole('link', { name: 'Sync failed' }).click();
  await page.waitForURL(/\/syncs\/syn_/);
  await main.getByText('Attempts').first().waitFor();
  await check(page, 'connection-failed-sync');
  await page.done();
});

test('the timeline is filtered by its address', async () => {
  const page = await open(c.good, 'timeline?show=change');
  await page.getByText('Set up').first().waitFor();
  assert.equal(await page.getByRole('link', { name: 'Sync succeeded' }).count(), 0);
  await page.getByRole('button', { name: 'Reset' }).click();
  await page.getByRole('link', { name: 'Sync succeeded' }).first().waitFor();
  await page.done();
});

test('streams are changed together, reviewed and saved, and conflicts are shown', async () => {
  const page = await open(c.good, 'streams');
  await page.getByRole('button', { name: 'Discover' }).click();
  const grid = page.getByRole('grid', { name: 'Streams' });
  await grid.getByRole('row').filter({ hasText: 'customers' }).click();
  await page.waitForURL(/stream=customers/);
  const email = page.getByRole('radiogroup', { name: 'What becomes of email' });
  await until('the columns have come', async () => (await email.count()) === 1);
  await email.getByText('Hash').click();
  await page.getByRole('radiogroup', { name: 'What becomes of phone' }).getByText('Leave out').click();
  await grid.getByRole('row').filter({ hasText: 'events' }).getByRole('checkbox').check();
  await page.getByRole('region', { name: 'Actions on the selected streams' }).getByRole('button', { name: 'Leave out' }).click();
  await page.getByText('2 streams changed, not saved').waitFor();
  await check(page, 'connection-streams-edit');
  // Somebody else is faster.
  await platform.api('PATCH', `/api/v1/connections/${c.good.id}/streams`, { streams: [{ name: 'customers', hash: ['name'] }] });
  await page.getByRole('button', { name: 'Review and save' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('region', { name: 'What will be saved' }).getByText('customers: left out').waitFor();
  await dialog.getByRole('region', { name: 'Conflicts' }).getByText('customers: hashed').waitFor();
  await check(page, 'connection-streams-review');
  let changed = false;
  await page.route('**/streams', async (r) => {
    if (changed || r.request().method() !== 'PATCH') return r.fallback();
    changed = true;
    assert.ok(r.request().headers()['if-match'], 'a change without If-Match');
    await platform.api('PATCH', `/api/v1/connections/${c.good.id}`, { team: 'sales' });
    return r.fallback();
  });
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await dialog.getByText('was changed by somebody else').waitFor();
  await dialog.getByRole('button', { name: 'Try again' }).click();
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('The streams were saved.').waitFor();
  const kept = await platform.api('GET', `/api/v1/connections/${c.good.id}/streams`);
  const of = (name) => kept.items.find((s) => s.settings.name === name);
  assert.deepEqual(of('customers').settings.hash, ['email']);
  assert.deepEqual(of('customers').settings.exclude, ['phone']);
  assert.equal(of('events').selected, false);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('what is copied as YAML is a whole document: applied as it is, it changes nothing', async () => {
  await platform.api('PATCH', `/api/v1/connections/${c.good.id}/streams`, { streams: [{ name: 'customers', hash: ['email'] }] });
  const page = await open(c.good, 'settings');
  const yaml = () => copied(page, page.getByRole('button', { name: 'Copy as' }).first(), 'YAML (sluice apply)');
  await page.getByRole('button', { name: 'Copy as' }).first().waitFor();
  const text = await yaml();
  assert.match(text, /hash:\n\s+- email/);
  assert.match(plan(platform, text), /^0 to create, 0 to change|nothing/im);
  await page.goto(`/connections/${c.good.id}/streams`);
  await page.getByRole('grid', { name: 'Streams' }).getByRole('row').filter({ hasText: 'orders' }).getByRole('checkbox').check();
  await page.getByRole('region', { name: 'Actions on the selected streams' }).getByRole('button', { name: 'Leave out' }).click();
  await page.getByRole('button', { name: 'Review and save' }).click();
  const planned = plan(platform, await copied(page, page.getByRole('dialog').getByRole('button', { name: 'Copy as' }), 'YAML (sluice apply)'));
  assert.match(planned, /streams\[orders\]/);
  assert.doesNotMatch(planned, /schedule|streams\[customers\]/, 'what was not changed here stays');
  await page.done();
});

test('drift waits for a decision, which is made here', async () => {
  writeFileSync(file, rows('<b>note</b>'));
  assert.equal((await sync(c.people)).last_sync.outcome, 'failed');
  const page = await open(c.people, 'schema');
  await page.getByText('Waits for a decision').first().waitFor();
  // What would come in, against what is there; what stays as it is, is only counted.
  const added = page.getByRole('region', { name: 'Columns before and after' }).getByRole('row').filter({ hasText: 'note' });
  await added.waitFor();
  assert.deepEqual((await added.getByRole('cell').allInnerTexts()).slice(0, 3), ['–', 'string', 'new']);
  await check(page, 'connection-drift');
  await page.getByRole('button', { name: 'Approve', exact: true }).click();
  await page.getByText(/comes in with the next sync\./).waitFor();
  const listed = await platform.api('GET', `/api/v1/drift?connection_id=${c.people.id}`);
  assert.equal(listed.items[0].state, 'approved');
  await page.done();
});

test('states are compared, and restored through a plan that wants the name', async () => {
  await sync(c.good);
  const page = await open(c.good, 'state?stream=orders');
  await page.getByRole('region', { name: 'Former states' }).getByRole('button', { name: 'Restore…' }).first().waitFor();
  await page.getByRole('region', { name: 'Difference' }).first().waitFor();
  await check(page, 'connection-state');
  await page.getByRole('button', { name: 'Restore…' }).first().click();
  const dialog = page.getByRole('dialog');
  const confirm = dialog.getByRole('button', { name: 'Restore the state' });
  await confirm.waitFor();
  assert.ok(await confirm.isDisabled(), 'it can be confirmed before the name is typed');
  await check(page, 'connection-restore');
  await dialog.getByRole('textbox').fill(c.good.name);
  await confirm.click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByText(/restored by/).first().waitFor();
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('logs are searched and narrowed by level and stream, in the address', async () => {
  const page = await open(c.good, 'logs');
  const log = page.getByRole('log', { name: 'Log' });
  await log.getByText('the sync begins').waitFor();
  await page.getByLabel('Search messages').fill('up to date');
  await page.waitForURL(/q=up(\+|%20)to(\+|%20)date/);
  await until('only such lines', async () => (await log.count()) === 1 && (await log.getByText('the sync begins').count()) === 0);
  const one = await open(c.good, 'logs?stream=orders&level=info');
  await one.getByRole('log').getByText('orders').first().waitFor();
  assert.equal(await one.getByRole('log').getByText('customers').count(), 0);
  await one.goto(`/connections/${c.good.id}/logs?q=nothing+says+this`);
  await one.getByText('No line is like that').waitFor();
  await page.done();
  await one.done();
});

test('settings are reviewed and saved; who was slower sees what the other did', async () => {
  const page = await open(c.slow, 'settings');
  await page.getByLabel('Team', { exact: true }).fill('finance');
  await page.getByRole('radio', { name: 'At set times' }).check();
  await page.getByRole('region', { name: 'The next runs' }).getByRole('listitem').first().waitFor();
  await platform.api('PATCH', `/api/v1/connections/${c.slow.id}`, { drift: 'allow_columns' });
  await page.getByText('Somebody else changed this connection since you began.').waitFor({ timeout: 5000 });
  await page.getByRole('button', { name: 'Put my changes on top of theirs' }).click();
  await page.getByText('Somebody else changed').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Review and save' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('row', { name: /Team .*finance/ }).waitFor();
  await check(page, 'connection-settings-review');
  await dialog.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('The settings were saved.').waitFor();
  const kept = await platform.api('GET', `/api/v1/connections/${c.slow.id}`);
  assert.equal(kept.team, 'finance');
  assert.equal(kept.drift, 'allow_columns');
  assert.equal(kept.schedule.cron, '0 6 * * *');
  await page.getByRole('button', { name: 'Copy as' }).first().click();
  await page.getByRole('menuitem', { name: 'YAML (sluice apply)' }).waitFor();
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('a re-sync and a deletion are shown as plans and want the name typed', async () => {
  const page = await open(c.people, 'settings');
  await page.getByRole('button', { name: 'Plan a re-sync…' }).click();
  let dialog = page.getByRole('dialog');
  await dialog.getByText('Rewritten').first().waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Re-sync', exact: true }).isDisabled());
  await check(page, 'connection-resync');
  await dialog.getByRole('textbox').fill('people');
  await dialog.getByRole('button', { name: 'Re-sync', exact: true }).click();
  await page.waitForURL(/timeline/);
  await ended(platform, c.people.id);
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Delete…', exact: true }).click();
  dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill('people');
  await dialog.getByRole('button', { name: 'Delete the connection' }).click();
  await page.waitForURL((u) => u.pathname === '/connections');
  await assert.rejects(platform.api('GET', `/api/v1/connections/${c.people.id}`), /404/);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('a connection is deleted with its tables by a plan that names them', async () => {
  const doomed = await platform.api('POST', '/api/v1/connections', { name: 'doomed', source: 'people file', destination: 'warehouse', schema: 'doomed', schedule: { manual: true } });
  assert.equal((await sync(doomed)).last_sync.outcome, 'succeeded');
  const page = await open(doomed, 'settings');
  const act = page.getByRole('button', { name: 'Delete it and its tables' });
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Plan to delete…' }).click();
  await dialog.getByRole('rowheader', { name: 'people' }).waitFor();
  await dialog.getByText('1 table', { exact: true }).waitFor();
  await check(page, 'connection-delete');
  await dialog.getByRole('textbox').fill('Doomed');
  assert.ok(await act.isDisabled(), 'another name is not its name');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  await platform.api('GET', `/api/v1/connections/${doomed.id}`);
  await page.getByRole('button', { name: 'Plan to delete…' }).click();
  await dialog.getByRole('textbox').fill('doomed');
  await act.click();
  await page.waitForURL((u) => u.pathname === '/connections');
  await page.getByText(/The tables are being dropped/).waitFor();
  await until('it is gone, and its tables with it', () => platform.api('GET', `/api/v1/connections/${doomed.id}`).then(() => false, (e) => /404/.test(e.message)));
  await page.getByRole('grid', { name: 'Connections' }).getByText('doomed').waitFor({ state: 'detached' });
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('who may only look sees no action on any tab', async () => {
  const page = await open(c.good, 'timeline', { role: 'viewer' });
  const forbidden = /^(Sync now|Pause|Resume|Cancel sync|Discover|Approve|Reject|Restore…|Review and save|Save|Delete…|Plan a re-sync…|Plan to delete…)$/;
  for (const tab of ['timeline', 'charts', 'streams', 'schema', 'state?stream=orders', 'syncs', 'logs', 'settings']) {
    await page.goto(`/connections/${c.good.id}/${tab}`);
    await page.getByRole('heading', { level: 1, name: c.good.name }).waitFor();
    await still(page);
    assert.deepEqual(await page.getByRole('button', { name: forbidden }).allInnerTexts(), [], `on ${tab}`);
  }
  await check(page, 'connection-viewer-settings');
  await page.done();
});

test('names, columns and errors are texts, whatever is in them', async () => {
  const page = await open(c.good, 'timeline');
  await page.getByRole('heading', { level: 1, name: c.good.name }).waitFor();
  for (const tab of ['timeline', 'schema', 'logs', 'settings', 'syncs']) {
    await page.goto(`/connections/${c.good.id}/${tab}`);
    await page.getByRole('heading', { level: 1, name: c.good.name }).waitFor();
    assert.equal(await page.locator('main img, main b:has-text("note") > b').count(), 0, tab);
  }
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('a connection that is not there is said to be so', async () => {
  const page = await signIn(platform, { at: '/connections/con_nothing/timeline' });
  await page.getByText('This is not there').waitFor();
  await check(page, 'connection-missing');
  await page.done();
});

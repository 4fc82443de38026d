import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { copied, plan, check, closeBrowser, ended, signIn, startPlatform, startShop, until } from './kit.mjs';
import { everyLook, harmless, markup } from './looks.mjs';

let platform, shop;
before(async () => {
  [platform, shop] = [await startPlatform(), await startShop()];
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
});

const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.closest('form')?.querySelector(`label[for="${document.activeElement.id}"]`)?.textContent ?? document.activeElement?.textContent ?? '');
const at = (page, step) => page.waitForURL((u) => u.searchParams.get('step') === step);

test('a newcomer syncs the sample shop into DuckDB in three minutes, by keyboard alone', async () => {
  const page = await signIn(platform, { at: '/setup' });
  const began = Date.now();
  const keys = page.keyboard;
  await until('the search has the focus', async () => (await focused(page)).startsWith('Search connectors'));
  await keys.type('shop');
  await keys.press('Enter');
  await until('the address has the focus', async () => (await focused(page)).startsWith('Base URL'));
  await keys.type(shop.url);
  await keys.press('Tab');
  await keys.type('demo');
  await keys.press('Enter');
  await at(page, 'streams');
  await until('the search of streams has the focus', async () => (await focused(page)) === 'Search streams');
  await keys.press('Enter');
  await at(page, 'destination');
  await until('the heading has the focus', async () => (await focused(page)) === 'Where does the data go?');
  await keys.press('Tab');
  await keys.press('Enter');
  await until('the path has the focus', async () => (await focused(page)).startsWith('Path'));
  await keys.type(join(platform.dir, 'first.duckdb'));
  await keys.press('Enter');
  await at(page, 'schedule');
  await until('a choice has the focus', async () => page.evaluate(() => document.activeElement instanceof HTMLInputElement));
  await keys.press('Enter');
  await at(page, 'review');
  await until('the name has the focus', async () => (await focused(page)).startsWith('Name of the connection'));
  await keys.press('Enter');
  await page.getByText('rows delivered').waitFor({ timeout: 60_000 });
  await page.getByText('Succeeded').first().waitFor();
  const took = Date.now() - began;
  assert.ok(took < 180_000, `it took ${took} ms`);
  const id = new URL(page.url()).searchParams.get('connection');
  const c = await ended(platform, id);
  assert.equal(c.last_sync.outcome, 'succeeded');
  const shown = Number(await page.locator('[data-rows]').getAttribute('data-rows'));
  assert.equal(shown, c.last_sync.rows);
  assert.ok(shown > 1000);
  assert.equal(c.status.setup_state, 'connected');
  await everyLook(page, 'setup-first-sync');
  await page.done();
  console.log(`a newcomer's set-up by keyboard took ${(took / 1000).toFixed(1)} s`);
});

test('what is wrong is said at the field, with what to do', async () => {
  const page = await signIn(platform, { at: '/setup?step=check&connector=shop' });
  await everyLook(page, 'setup-check');
  const url = page.getByLabel('Base URL');
  const key = page.locator('[id="config.api_key"]');
  const said = async (field) => {
    const ids = ((await field.getAttribute('aria-describedby')) ?? '').split(' ').filter(Boolean);
    return (await Promise.all(ids.map((id) => page.locator(`[id="${id}"]`).allTextContents()))).flat().join(' ');
  };
  await page.getByRole('button', { name: 'Continue' }).click();
  await until('the key is asked for', async () => /This is needed/.test(await said(key)));
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'config.api_key');
  await url.fill('nonsense');
  await key.fill('demo');
  await until('the address is called none', async () => /not an http or https address/i.test(await said(url)));
  await check(page, 'setup-check-bad-address');
  await url.fill(shop.url);
  await key.fill('wrong');
  await page.getByText('shop_http_401').waitFor();
  await until('the key is marked', async () => /Set api_key to the key/.test(await said(key)));
  await everyLook(page, 'setup-check-bad-key', { sizes: ['desk', 'phone'] });
  await url.fill('http://127.0.0.1:9');
  await key.fill('demo');
  await page.getByText('shop_network').waitFor({ timeout: 40_000 });
  await until('the address is marked', async () => /set base_url to the address/i.test(await said(url)));
  await check(page, 'setup-check-refused');
  // What is set right is tried by itself, and what was wrong is no longer said.
  await url.fill(shop.url);
  await page.getByText('Connected to Sample shop').waitFor();
  assert.doesNotMatch(await said(url), /set base_url/i);
  await page.done();
});

test('the whole by mouse, left and resumed, with another way for each thing', async () => {
  const page = await signIn(platform, { at: '/setup' });
  await everyLook(page, 'setup-source');
  await page.getByRole('button', { name: /^Sample shop/ }).first().click();
  await page.getByLabel('Base URL').fill(shop.url);
  await page.locator('[id="config.api_key"]').fill('demo');
  await page.getByLabel('Name', { exact: false }).last().fill(`shop of ${markup}`);
  await page.getByText('Advanced').click();
  await page.getByLabel('Page size').fill('500');
  await page.getByText('Connected to Sample shop').waitFor();
  // Left and come back to: all is there but the secret, which is nowhere.
  await until('the draft is kept', () => page.evaluate(() => (sessionStorage.getItem('sluice.setup') ?? '').includes('500')));
  assert.ok(!(await page.evaluate(() => JSON.stringify([sessionStorage, localStorage]))).includes('"demo"'));
  await page.goto('/setup');
  await page.getByText(/You left a set-up/).waitFor();
  await page.getByRole('link', { name: 'Go on' }).click();
  assert.equal(await page.getByLabel('Base URL').inputValue(), shop.url);
  assert.equal(await page.locator('[id="config.api_key"]').inputValue(), '');
  await page.locator('[id="config.api_key"]').fill('demo');
  await page.getByRole('button', { name: 'Continue' }).click();
  await at(page, 'streams');
  const source = new URL(page.url()).searchParams.get('source');
  assert.equal((await platform.api('GET', `/api/v1/sources/${source}`)).config.page_size, 500);

  await page.getByRole('treegrid').waitFor();
  await page.getByRole('button', { name: 'Select none' }).click();
  await page.getByRole('checkbox', { name: 'Sync orders' }).check();
  await page.getByRole('checkbox', { name: 'Sync products' }).check();
  await page.getByLabel('Also sync streams that the source gets later').uncheck();
  await page.getByText('2 of 4 streams selected').waitFor();
  await page.getByRole('gridcell', { name: 'orders', exact: true }).click();
  await page.getByRole('region', { name: 'Settings of orders' }).getByLabel('Every version').check();
  await page.getByLabel('What becomes of', { exact: false }).first().waitFor();
  await everyLook(page, 'setup-streams');
  await page.reload();
  await page.getByText('2 of 4 streams selected').waitFor();
  await page.getByRole('button', { name: 'Continue' }).click();

  await at(page, 'destination');
  await everyLook(page, 'setup-destination', { sizes: ['desk', 'phone'] });
  await page.getByRole('button', { name: /^DuckDB/ }).click();
  await page.getByLabel('Path').fill(join(platform.dir, 'second.duckdb'));
  await page.getByText('Connected to DuckDB').waitFor();
  await page.getByRole('button', { name: 'Continue' }).click();

  await at(page, 'schedule');
  await page.getByLabel('At set times').check();
  await page.getByRole('textbox', { name: 'Times' }).fill('61 * * * *');
  await page.getByText(/The minute “61” cannot be read/).waitFor();
  assert.ok(await page.getByRole('button', { name: 'Continue' }).isDisabled());
  await page.getByRole('textbox', { name: 'Times' }).fill('30 4 * * 1');
  await page.getByText(/Mon .* 04:30/).first().waitFor();
  await everyLook(page, 'setup-schedule');
  await page.getByRole('button', { name: 'Continue' }).click();

  await at(page, 'review');
  await page.getByText('2 of 4 streams').waitFor();
  await page.getByText('30 4 * * 1').waitFor();
  await page.getByLabel('Name of the connection').fill(markup);
  await page.getByLabel('Schema in the destination').fill('second');
  await everyLook(page, 'setup-review');
  assert.match(plan(platform, await copied(page, page.getByRole('button', { name: 'Copy as' }), 'YAML (sluice apply)')), /1 to create/);
  await page.getByRole('button', { name: 'Create and sync' }).click();
  await page.getByText('rows delivered').waitFor({ timeout: 60_000 });
  assert.deepEqual(await harmless(page), { ran: false, images: 0 });
  await page.getByRole('heading', { name: markup }).waitFor();
  const id = new URL(page.url()).searchParams.get('connection');
  const c = await ended(platform, id);
  assert.deepEqual([c.last_sync.outcome, c.all_streams, c.schema, c.schedule.cron, c.schedule.zone], ['succeeded', false, 'second', '30 4 * * 1', 'Europe/Paris']);
  const { items } = await platform.api('GET', `/api/v1/connections/${id}/streams`);
  assert.deepEqual(items.filter((s) => s.selected).map((s) => [s.settings.name, s.settings.write]), [['orders', 'history'], ['products', undefined]]);
  assert.equal(await page.evaluate(() => sessionStorage.getItem('sluice.setup')), null, 'the draft outlives the set-up');
  await page.done();
});

test('ten thousand tables are a tree that one searches and selects by schema', async () => {
  const { items } = await platform.api('GET', '/api/v1/sources');
  const page = await signIn(platform, { at: '/' });
  const offered = Array.from({ length: 10_000 }, (_, i) => ({ namespace: `schema_${String(Math.floor(i / 500)).padStart(2, '0')}`, name: `table_${i}`, columns: [{ name: 'id', type: 'int64', nullable: false }], key: ['id'], cursors: [], modes: ['cdc', 'full_refresh'], row_count: 1000 }));
  await page.route('**/api/v1/sources/*/streams?*', (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('cursor') ?? 0);
    return route.fulfill({ json: { items: offered.slice(from, from + 500), ...(from + 500 < offered.length ? { next: String(from + 500) } : {}) } });
  });
  await page.goto(`/setup?step=streams&source=${items[0].id}`);
  await page.getByText('10,000 of 10,000 streams selected').waitFor({ timeout: 30_000 });
  const tree = page.getByRole('treegrid');
  assert.ok((await tree.getByRole('row').count()) < 80, 'only rows in sight are drawn');
  await tree.focus();
  await page.keyboard.press('Space');
  await page.getByText('9,500 of 10,000 streams selected').waitFor();
  await page.keyboard.press('ArrowLeft');
  await tree.getByRole('row', { name: /schema_00/, expanded: false }).waitFor();
  await page.keyboard.press('ArrowDown');
  await tree.getByRole('row', { name: /schema_01/, expanded: true }).waitFor();
  await page.getByLabel('Search streams').fill('table_99');
  await page.getByRole('button', { name: 'Deselect found' }).click();
  await page.getByText('9,390 of 10,000 streams selected').waitFor();
  await page.getByLabel('Search streams').fill('');
  const began = Date.now();
  await page.getByRole('button', { name: 'Set for all selected' }).click();
  await page.getByRole('menuitem', { name: /Latest, deletes marked/ }).click();
  await tree.getByText('Latest, deletes marked').first().waitFor();
  assert.ok(Date.now() - began < 3000, `setting 9,390 streams took ${Date.now() - began} ms`);
  await check(page, 'setup-streams-many');
  await page.done();
});

test('a source is changed, its secret replaced and never read back, and one that is used is not deleted', async () => {
  const { items } = await platform.api('GET', '/api/v1/sources');
  const mine = items.find((s) => s.name === 'Sample shop');
  const page = await signIn(platform, { at: `/sources/${mine.id}` });
  await page.getByLabel('API key: set, and never shown').waitFor();
  await everyLook(page, 'source');
  const sent = [];
  page.on('request', (r) => r.method() === 'PATCH' && sent.push(r.postDataJSON()));
  await page.getByText('Advanced').click();
  await page.getByLabel('Page size').fill('250');
  await page.getByText('Connected to Sample shop').waitFor();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The settings were saved.').waitFor();
  assert.equal((await platform.api('GET', `/api/v1/sources/${mine.id}`)).config.page_size, 250);
  assert.deepEqual(sent, [{ config: { page_size: 250 } }]);
  await page.getByRole('button', { name: 'Replace API key' }).click();
  await page.locator('[id="config.api_key"]').fill('wrong');
  await page.getByText('shop_http_401').waitFor();
  await page.getByRole('button', { name: 'Keep the one that is set' }).click();
  await page.getByLabel('API key: set, and never shown').waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('It was not deleted').waitFor();
  await check(page, 'source-not-deleted');
  await page.done();
});

test('the lists of sources and destinations, and making a destination by itself', async () => {
  await platform.api('POST', '/api/v1/sources', { name: markup, connector: 'shop', config: { base_url: 'http://127.0.0.1:9', api_key: 'x' } });
  const page = await signIn(platform, { at: '/sources' });
  await page.getByRole('link', { name: markup, exact: true }).waitFor();
  assert.deepEqual(await harmless(page), { ran: false, images: 0 });
  await everyLook(page, 'sources');
  await page.getByLabel('Search sources').fill('shop of');
  await page.waitForURL(/q=shop/);
  await until('only one is left', async () => (await page.getByRole('grid').getByRole('row').count()) === 2);
  await page.goto('/destinations');
  await page.getByRole('button', { name: 'New destination' }).click();
  await page.getByRole('dialog').getByRole('button', { name: /^DuckDB/ }).click();
  await page.getByLabel('Path').fill(join(platform.dir, 'third.duckdb'));
  await page.getByText('Connected to DuckDB').waitFor();
  await page.getByRole('button', { name: 'Make the destination' }).click();
  await page.waitForURL(/destinations\/dst_/);
  await page.getByText('Connected', { exact: true }).waitFor();
  await everyLook(page, 'destination', { sizes: ['desk', 'phone'] });
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(/destinations$/);
  await page.done();
});

test('who may only look sees no action', async () => {
  const { items } = await platform.api('GET', '/api/v1/sources');
  for (const role of ['viewer', 'operator']) {
    const page = await signIn(platform, { role, at: '/setup' });
    await page.getByText('You may look, but not set up').waitFor();
    await check(page, `setup-${role}`);
    await page.goto('/sources');
    await page.getByRole('grid').waitFor();
    assert.equal(await page.getByRole('button', { name: 'New source' }).count(), 0);
    await page.goto(`/sources/${items[0].id}`);
    await page.getByText('You may look at these, not change them').waitFor();
    for (const name of ['Save', 'Delete', 'Check now', /^Replace/]) assert.equal(await page.getByRole('button', { name, disabled: false }).count(), 0, String(name));
    assert.ok(await page.getByLabel('Base URL').isDisabled());
    await check(page, `source-${role}`);
    await page.done();
  }
});

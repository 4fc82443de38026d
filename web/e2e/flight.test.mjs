import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { check, closeBrowser, ended, seed, signIn, startPlatform, startShop, until, widths } from './kit.mjs';
import { everyLook } from './looks.mjs';

let shop, platform, connections;
before(async () => {
  [shop, platform] = await Promise.all([startShop(), startPlatform()]);
  connections = await seed(platform, shop);
  for (const i of [0, 1, 2, 4]) await ended(platform, connections[i].id);
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
});

test('the board shows what is wrong and why', async () => {
  const page = await signIn(platform);
  await page.getByRole('heading', { name: 'What fails, and why' }).waitFor();
  await page.getByText(/want(s)? attention/).waitFor();
  await page.getByRole('link', { name: 'shop with a wrong key' }).first().waitFor();
  await page.getByRole('button', { name: /Needs action/ }).click();
  await page.waitForURL(/status=needs_action/);
  await check(page, 'flight-filtered');
  await page.goBack();
  await page.done();
});

test('a sync shows as it runs, within a second, and goes when it has ended', async () => {
  // So slow that nobody misses it.
  const slow = await startShop({ rate: 2 });
  await platform.api('POST', '/api/v1/sources', { name: 'slow shop', connector: 'shop', config: { base_url: slow.url, api_key: 'demo' } });
  const { id } = await platform.api('POST', '/api/v1/connections', { name: 'slow one', source: 'slow shop', destination: 'warehouse', schedule: { manual: true } });
  const page = await signIn(platform);
  const shown = page.getByRole('grid', { name: 'Running syncs' }).getByRole('link', { name: 'slow one', exact: true });
  await platform.api('POST', `/api/v1/connections/${id}/sync`);
  await until('it runs', async () => (await platform.api('GET', `/api/v1/connections/${id}`)).last_sync?.state === 'running');
  const began = Date.now();
  await shown.waitFor();
  const took = Date.now() - began;
  await page.getByText(/rows\/s/).first().waitFor();
  await platform.api('POST', `/api/v1/connections/${id}/cancel`);
  await ended(platform, id);
  const end = Date.now();
  await shown.waitFor({ state: 'hidden' });
  console.log(`shown ${took} ms after it ran, gone ${Date.now() - end} ms after its end`);
  assert.deepEqual(page.faults(), []);
  await page.done();
  await platform.api('DELETE', `/api/v1/connections/${id}`);
  await slow.stop();
});

test('a lost connection is shown, heals by itself, and nothing is missed', async () => {
  const page = await signIn(platform);
  await page.getByText('1 paused').first().waitFor();
  await platform.halt();
  await page.getByText('The connection to the server is lost').waitFor();
  await check(page, 'flight-lost');
  await platform.resume();
  // What happens before the page is back must show, too.
  await platform.api('POST', `/api/v1/connections/${connections[5].id}/resume`, {});
  await page.getByText('The connection to the server is lost').waitFor({ state: 'hidden', timeout: 20_000 });
  await until('the connection is no longer shown as paused', async () => !(await page.getByText('1 paused').isVisible()));
  await ended(platform, connections[5].id);
  await platform.api('POST', `/api/v1/connections/${connections[5].id}/pause`, {});
  await page.getByText('1 paused').first().waitFor();
  await page.done();
});

test('views are saved under a name, and are addresses', async () => {
  const page = await signIn(platform, { at: '/?team=sales&group=connector' });
  await page.getByRole('button', { name: 'Views' }).click();
  await page.getByRole('menuitem', { name: 'Save these filters as a view' }).click();
  await page.getByLabel('Name of the view').fill('Sales by connector');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.goto('/');
  await page.getByRole('button', { name: 'Views' }).click();
  await page.getByRole('menuitem', { name: 'Sales by connector' }).click();
  await page.waitForURL((u) => u.search.includes('team=sales') && u.search.includes('group=connector'));
  await page.done();
});

test('the wall display has no chrome and is left by a key', async () => {
  const page = await signIn(platform, { at: '/?display=wall', size: widths.wide });
  await page.getByRole('heading', { name: 'Flight control' }).waitFor();
  assert.equal(await page.getByRole('navigation').count(), 0);
  await page.getByRole('heading', { name: 'What fails, and why' }).waitFor();
  await check(page, 'flight-wall');
  await page.keyboard.press('Escape');
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
  await page.done();
});

test('flight control looks right everywhere', async () => {
  for (const c of connections.slice(0, 3)) await platform.api('POST', `/api/v1/connections/${c.id}/sync`, {}).catch(() => {});
  const page = await signIn(platform);
  await page.getByRole('heading', { name: 'Last 24 hours' }).waitFor();
  await everyLook(page, 'flight');
  await page.done();
});

test('a viewer sees no action that is not theirs', async () => {
  const page = await signIn(platform, { role: 'viewer' });
  await page.getByRole('heading', { name: 'In the air' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'New connection' }).count(), 0);
  await check(page, 'flight-viewer');
  await page.done();
});

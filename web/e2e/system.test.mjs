import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { check, closeBrowser, signIn, startPlatform } from './kit.mjs';
import { everyLook } from './looks.mjs';

let platform;
before(async () => {
  platform = await startPlatform();
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
});

test('the system says what runs, where, how full it is, and with what settings', async () => {
  const page = await signIn(platform, { at: '/system' });
  const system = await platform.api('GET', '/api/v1/system');
  await page.getByText(`SQLite ${system.database_version}`).waitFor();
  await page.getByText(system.go_version).waitFor();
  await page.getByRole('region', { name: 'Workers' }).getByText('Live').waitFor();
  await page.getByRole('region', { name: 'Encryption keys' }).getByText(String(system.encryption_keys[0].id)).first().waitFor();
  await page.getByText('--keep-audit').waitFor();
  await everyLook(page, 'system');
  await page.getByLabel('Search settings').fill('egress');
  await page.getByText('--keep-audit').waitFor({ state: 'detached' });
  await page.getByText('--egress-strict').waitFor();
  await page.done();
});

test('keys and settings are not for everyone', async () => {
  const page = await signIn(platform, { role: 'viewer', at: '/system' });
  await page.getByRole('heading', { name: 'Queue' }).waitFor();
  await page.getByRole('region', { name: 'Workers' }).waitFor();
  for (const name of ['Encryption keys', 'Effective settings']) assert.equal(await page.getByRole('heading', { name }).count(), 0, name);
  await check(page, 'system-viewer');
  await page.done();
});

test('the catalogue has every kind, each with the reference that its schema gives', async () => {
  const page = await signIn(platform, { at: '/catalogue' });
  await page.getByRole('link', { name: /PostgreSQL/ }).first().waitFor();
  await everyLook(page, 'catalogue');
  for (const [role, path] of [['connectors', 'sources'], ['destination-kinds', 'destinations']])
    for (const kind of (await platform.api('GET', `/api/v1/${role}`)).items) {
      await page.goto(`/catalogue/${path}/${kind.name}`);
      await page.getByRole('heading', { level: 1, name: kind.title }).waitFor();
      // A locator that finds two fails.
      for (const name of Object.keys(kind.schema.properties)) await page.locator(`[id="${name}"]`).waitFor({ state: 'attached' });
      await check(page, `catalogue-${path}-${kind.name}`);
    }
  await page.goto('/catalogue/sources/postgres');
  await everyLook(page, 'catalogue-entry');
  await page.goto('/catalogue/sources/nothing');
  await page.getByText('There is no connector of that name here').waitFor();
  await page.done();
});

test('a viewer reads the references, and is offered no set-up', async () => {
  const page = await signIn(platform, { role: 'viewer', at: '/catalogue/sources/shop' });
  await page.getByText('api_key', { exact: true }).first().waitFor();
  assert.equal(await page.getByRole('link', { name: 'Set up a connection' }).count(), 0);
  await check(page, 'catalogue-viewer');
  await page.done();
});

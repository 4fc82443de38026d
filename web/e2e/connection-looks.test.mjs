// Every tab of a connection in every look: apart from what one does there, so that
// neither takes too long.
import { after, before, test } from 'node:test';
import { closeBrowser, ended, signIn, startPlatform, startShop } from './kit.mjs';
import { everyLook } from './looks.mjs';

let platform, shop, connection;
before(async () => {
  shop = await startShop();
  platform = await startPlatform();
  const { api, dir } = platform;
  await api('POST', '/api/v1/sources', { name: 'shop', connector: 'shop', config: { base_url: shop.url, api_key: 'demo' } });
  await api('POST', '/api/v1/destinations', { name: 'warehouse', connector: 'duckdb', config: { path: `${dir}/warehouse.duckdb` } });
  connection = await api('POST', '/api/v1/connections', { name: 'shop to warehouse', source: 'shop', destination: 'warehouse', schedule: { every: '1h' }, labels: { env: 'prod' } });
  await ended(platform, connection.id);
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
});

test('every tab looks right, light and dark, wide and narrow', async () => {
  const wait = { timeline: 'What happened', charts: 'Rows a day', streams: 'orders', schema: 'Shapes now', 'state?stream=orders': 'History of orders', syncs: 'Outcome', logs: 'the sync begins', settings: 'Danger zone' };
  const page = await signIn(platform);
  for (const [tab, words] of Object.entries(wait)) {
    await page.goto(`/connections/${connection.id}/${tab}`);
    await page.getByText(words).first().waitFor({ state: 'attached' });
    await everyLook(page, `connection-${tab.replace(/\?.*/, '')}`);
  }
  await page.done();
});

// Every tab of a connection in both themes and at three widths: apart from what one
// does there, so that neither takes too long.
import { after, before, test } from 'node:test';
import { check, closeBrowser, ended, signIn, startPlatform, startShop, still, widths } from './kit.mjs';

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
  for (const [label, size, theme] of [['desk', widths.desk, 'light'], ['wide', widths.wide, 'dark'], ['phone', widths.phone, 'dark']]) {
    const page = await signIn(platform, { at: `/connections/${connection.id}/timeline`, size, theme });
    for (const [tab, words] of Object.entries(wait)) {
      await page.goto(`/connections/${connection.id}/${tab}`);
      await page.getByText(words).first().waitFor({ state: 'attached' });
      await still(page);
      await check(page, `connection-${tab.replace(/\?.*/, '')}-${label}-${theme}`);
    }
    await page.done();
  }
});

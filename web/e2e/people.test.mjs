import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { check, closeBrowser, openPage, password, signIn, startPlatform, until } from './kit.mjs';
import { everyLook, harmless, markup } from './looks.mjs';

let platform, connection;
before(async () => {
  platform = await startPlatform();
  const { api } = platform;
  await api('POST', '/api/v1/sources', { name: 'shop', connector: 'shop', config: { api_key: 'demo' } });
  await api('POST', '/api/v1/destinations', { name: 'warehouse', connector: 'duckdb', config: { path: `${platform.dir}/w.duckdb` } });
  connection = await api('POST', '/api/v1/connections', { name: `orders ${markup}`, source: 'shop', destination: 'warehouse', schedule: { manual: true } });
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
});

test('someone is invited, sets a password, gets a role and a grant, and is locked out', async () => {
  const page = await signIn(platform, { at: '/people' });
  await page.getByRole('button', { name: 'Invite' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('E-mail').fill('ana@example.com');
  await dialog.getByLabel('Name').fill(markup);
  await check(page, 'people-invite');
  await dialog.getByRole('button', { name: 'Invite' }).click();
  const link = await dialog.getByLabel('Link').inputValue();
  assert.match(link, /\/password#.+/);
  await check(page, 'people-invited');
  await dialog.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByRole('link', { name: new RegExp('onerror') }).waitFor();
  await everyLook(page, 'people');

  const theirs = await openPage(platform);
  await theirs.goto(link);
  await theirs.getByLabel('Password', { exact: true }).fill(password);
  await theirs.getByRole('button', { name: /password/i }).last().click();
  await theirs.waitForURL((u) => !u.pathname.startsWith('/password'));
  await theirs.done();

  await page.getByRole('link', { name: new RegExp('onerror') }).click();
  await page.getByRole('heading', { name: markup }).waitFor();
  assert.deepEqual(await harmless(page), { ran: false, images: 0 });
  await page.getByRole('combobox', { name: 'Role', exact: true }).click();
  await page.getByRole('option', { name: 'Operator' }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  const user = async () => (await platform.api('GET', '/api/v1/users?search=ana')).items[0];
  await until('she is an operator', async () => (await user()).role === 'operator');
  await page.getByPlaceholder('Connection').click();
  await page.getByRole('option', { name: connection.name }).click();
  await page.getByRole('button', { name: 'Give' }).click();
  await page.getByRole('link', { name: connection.name }).waitFor();
  const { id } = await user();
  assert.deepEqual((await platform.api('GET', `/api/v1/users/${id}/grants`)).items.map((g) => [g.connection_id, g.role]), [[connection.id, 'operator']]);
  await everyLook(page, 'user');
  await page.getByRole('button', { name: 'Take back' }).click();
  await until('the grant is gone', async () => (await platform.api('GET', `/api/v1/users/${id}/grants`)).items.length === 0);
  await page.getByRole('button', { name: 'Lock out' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Lock out' }).click();
  await page.getByRole('button', { name: 'Let in again' }).waitFor();
  assert.equal((await user()).disabled, true);
  await page.done();
});

test('a token is shown once, works, shows its use and is revoked', async () => {
  const page = await signIn(platform, { at: '/people/tokens' });
  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What it is for').fill('nightly job');
  await check(page, 'token-new');
  await dialog.getByRole('button', { name: 'Make the token' }).click();
  const token = await dialog.getByLabel('Token').inputValue();
  assert.equal((await platform.api('GET', '/api/v1/auth/me', undefined, { token })).role, 'operator');
  await dialog.getByRole('button', { name: 'I have kept it' }).click();
  await page.getByRole('cell', { name: /^nightly job/ }).waitFor();
  assert.ok(!(await page.content()).includes(token));
  await everyLook(page, 'tokens');
  await page.getByRole('button', { name: 'Revoke nightly job' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('button', { name: 'Revoke nightly job' }).waitFor({ state: 'detached' });
  await assert.rejects(platform.api('GET', '/api/v1/auth/me', undefined, { token }), /401/);
  await page.done();
});

test('the audit log says who did what, with before and after', async () => {
  await platform.api('PATCH', `/api/v1/connections/${connection.id}`, { team: 'finance' });
  const page = await signIn(platform, { at: '/people/audit' });
  await page.getByRole('grid').getByText('connection.update').first().waitFor();
  await everyLook(page, 'audit');
  await page.getByLabel('Action, such as connection.').fill('connection.update');
  await page.waitForURL(/q=connection.update/);
  await until('only changes are listed', async () => (await page.getByRole('grid').getByText('connection.create').count()) === 0);
  await page.getByRole('grid').getByText('connection.update').first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('row', { name: 'team' }).getByText('finance').waitFor();
  assert.deepEqual(await harmless(page), { ran: false, images: 0 });
  await everyLook(page, 'audit-entry', { sizes: ['desk', 'phone'] });
  const link = page.url();
  await page.goto(link);
  await dialog.getByText('finance').first().waitFor();
  await page.done();
});

test('one’s account: name, password, sessions, tokens', async () => {
  const page = await signIn(platform, { role: 'viewer', at: '/account' });
  await everyLook(page, 'account');
  await page.getByLabel('Name', { exact: true }).fill('Vera');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: /Vera/ }).waitFor();
  await page.getByLabel('The one until now').fill('not this one at all');
  await page.getByLabel('The new one').fill('some other four words');
  await page.getByRole('button', { name: 'Change the password' }).click();
  await until('it is refused', async () => (await page.getByText(/was not changed|password/i).count()) > 0);
  await page.getByLabel('The one until now').fill(password);
  await page.getByRole('button', { name: 'Change the password' }).click();
  await page.getByText(/Your password was changed/).waitFor();
  await page.done();
});

test('who manages nobody sees their tokens alone', async () => {
  const page = await signIn(platform, { role: 'operator', at: '/people/tokens' });
  await page.getByText('No tokens yet').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Users' }).count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Audit' }).count(), 0);
  await check(page, 'tokens-operator');
  await page.goto('/people/users');
  await page.getByText('Who has an account is for admins to see').waitFor();
  await page.goto('/people/audit');
  await page.getByText('The audit log is for admins to see').waitFor();
  assert.deepEqual(page.faults(), []);
  await page.done();
});

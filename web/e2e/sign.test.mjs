import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addPerson, check, closeBrowser, openPage, password, signIn, startPlatform, themes, widths } from './kit.mjs';

let platform;
before(async () => {
  platform = await startPlatform({ claimed: false });
});
after(async () => {
  await closeBrowser();
  await platform?.stop();
});

test('who opens the one-time link becomes the owner, once', async () => {
  const page = await openPage(platform);
  await page.goto('/');
  await page.getByText('Nobody owns this installation yet').waitFor();
  await check(page, 'sign-in-unowned');
  await page.goto(platform.claim);
  await page.getByRole('heading', { name: 'Make the owner’s account' }).waitFor();
  assert.equal(new URL(page.url()).hash, '', 'the secret stays in the address');
  await page.getByLabel('E-mail').fill('owner@example.com');
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.getByText('7 more characters').waitFor();
  await check(page, 'claim');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.getByRole('heading', { name: 'Flight control' }).waitFor();
  const again = await openPage(platform);
  await again.goto(platform.claim);
  await again.getByLabel('E-mail').fill('other@example.com');
  await again.getByLabel('Password', { exact: true }).fill(password);
  await again.getByRole('button', { name: 'Make the account' }).click();
  await again.getByRole('alert').getByText('link_invalid').waitFor();
  await again.done();
  await page.done();
});

test('one signs in where one wanted to go, and out again', async () => {
  const page = await openPage(platform);
  await page.goto('/connections?q=shop');
  await page.waitForURL(/sign-in/);
  await page.getByLabel('E-mail').fill('owner@example.com');
  await page.getByLabel('Password', { exact: true }).fill('not the password at all');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/connections?q=shop');
  await page.getByRole('button', { name: /your account/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.waitForURL(/sign-in/);
  await page.goto('/connections');
  await page.waitForURL(/sign-in/);
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('that nobody is signed in, said late and again, leaves the sign-in page alone', async () => {
  const page = await openPage(platform);
  let askWays, answerWays;
  const asked = new Promise((done) => (askWays = done));
  const answered = new Promise((done) => (answerWays = done));
  await page.route('**/api/v1/events/history*', (route) => asked.then(() => route.continue()));
  await page.route('**/api/v1/auth', (route) => {
    askWays();
    return answered.then(() => route.continue());
  });
  const refused = page.waitForResponse('**/api/v1/events/history*');
  await page.goto('/');
  await (await refused).finished();
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  answerWays();
  await page.getByLabel('E-mail').waitFor();
  assert.deepEqual(page.faults(), []);
  await page.done();
});

test('a way to another site is not taken', async () => {
  const page = await openPage(platform);
  await page.goto('/sign-in?to=//example.org/x');
  await page.getByLabel('E-mail').fill('owner@example.com');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Flight control' }).waitFor();
  assert.equal(new URL(page.url()).origin, platform.url);
  await page.done();
});

test('sign-in looks right everywhere', async () => {
  for (const theme of themes)
    for (const [label, size] of Object.entries(widths)) {
      const page = await openPage(platform, { size, theme });
      await page.goto('/sign-in');
      await page.getByLabel('E-mail').waitFor();
      await check(page, `sign-in-${label}-${theme}`);
      await page.done();
    }
});

test('nothing of a session is where scripts of others could find it', async () => {
  const page = await signIn(platform, { role: 'owner' });
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  for (const cookie of await page.context().cookies()) {
    assert.ok(!kept.includes(cookie.value), `${cookie.name} is in storage`);
    if (cookie.name.endsWith('sluice_session')) assert.ok(cookie.httpOnly);
  }
  const policy = (await page.context().request.get('/')).headers()['content-security-policy'];
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
  await page.done();
  await assert.rejects(addPerson({ ...platform, token: '', people: {} }, 'viewer'));
});

// What the end-to-end tests share: the real binary on a free port with a folder of
// its own, a browser, and people of each role who are signed in.
import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const root = join(import.meta.dirname, '../..');
const binary = process.env.SLUICE_BIN ?? join(root, 'bin/sluice');
const artifacts = join(import.meta.dirname, 'artifacts');

export const widths = { wide: { width: 1920, height: 1080 }, desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
export const themes = ['light', 'dark'];
export const password = 'four unrelated words here';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits until something is so; `what` is named when it never is. */
export async function until(what, probe, ms = 30_000) {
  for (const end = Date.now() + ms; ; await sleep(50)) {
    const got = await probe();
    if (got) return got;
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`);
  }
}

/** Starts a program and waits for a line of its output that matches. */
function start(args, wanted, env = {}) {
  const child = spawn(binary, args, { env: { PATH: process.env.PATH, HOME: tmpdir(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const found = new Promise((resolve, reject) => {
    const look = (piece) => {
      said += piece;
      const m = wanted.exec(said);
      if (m) resolve(m);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`sluice ${args[0]} ended with ${code}:\n${said}`)));
  });
  const stop = () =>
    new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.on('exit', done);
      child.kill('SIGINT');
      setTimeout(() => child.kill('SIGKILL'), 8000).unref();
    });
  return { found, stop, child, said: () => said };
}

/** When the shop opened: what it has does not grow with the calendar. */
const opened = () => new Date(Date.now() - 20 * 86_400_000).toISOString().slice(0, 19) + 'Z';

/** The sample shop, with nothing wrong unless asked. */
export async function startShop({ chaos = 0, rate = -1, scale = 1, pace = 1, events = 3000 } = {}) {
  const run = start(['sample-api', '--listen', '127.0.0.1:0', '--since', opened(), '--chaos', String(chaos), '--rate', String(rate), '--scale', String(scale), '--pace', String(pace), '--events', String(events)], /sample shop is at (http:\S+)/);
  const [, url] = await run.found;
  return { url, stop: run.stop };
}

/** The platform in a folder of its own, with an owner whose token `api` uses. */
export async function startPlatform({ args = [], port = 0, claimed = true } = {}) {
  assert.ok(existsSync(binary), `${binary} is not there: make build`);
  const dir = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
  const flags = (listen) => ['up', '--data-dir', join(dir, 'data'), '--listen', listen, ...args];
  let run = start(flags(`127.0.0.1:${port}`), /is at (http:\/\/[^ /]+)[\s\S]*?(\/claim#(\S+))[\s\S]*Ready/);
  const [, url, claim, secret] = await run.found;
  const platform = { url, dir, claim, secret, token: '', people: {} };
  platform.stop = async () => {
    await run.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  /** Ends the server, as a crash or an update does, and starts it again at the same address. */
  platform.halt = () => run.stop();
  platform.resume = async () => {
    run = start(flags(new URL(url).host), /Ready/);
    await run.found;
  };
  platform.log = () => run.said();

  /** Calls the API; the answer's body, or an error that says what it was. */
  platform.api = async (method, path, body, { token = platform.token, headers = {} } = {}) => {
    const answer = await fetch(url + path, {
      method,
      headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    platform.lastHeaders = answer.headers;
    return text ? JSON.parse(text) : undefined;
  };
  if (claimed) {
    const me = await platform.api('POST', '/api/v1/auth/owner', { secret, email: 'owner@example.com', name: 'Olive Owner', password });
    const cookie = platform.lastHeaders.getSetCookie().map((c) => c.split(';')[0]).join('; ');
    const made = await platform.api('POST', '/api/v1/tokens', { name: 'e2e', role: 'owner' }, { headers: { Cookie: cookie, 'X-Csrf-Token': me.csrf_token } });
    platform.token = made.token ?? made.text ?? made.secret;
    assert.ok(platform.token, `the answer has no token: ${Object.keys(made)}`);
  }
  return platform;
}

/** A user of a role, who can sign in with `password`. */
export async function addPerson(platform, role) {
  const email = `${role}@example.com`;
  if (role !== 'owner' && !platform.people[role]) {
    platform.people[role] = await platform.api('POST', '/api/v1/users', { email, name: `${role[0].toUpperCase()}${role.slice(1)} Person`, role, password });
  }
  return email;
}

/**
 * A small fleet: the shop into DuckDB (it works), several more of it, one whose
 * source is away (it fails), one whose key is wrong (it needs action), one paused.
 */
export async function seed(platform, shop, { healthy = 3, run = true } = {}) {
  const { api, dir } = platform;
  const teams = ['sales', 'finance', 'growth'];
  await api('POST', '/api/v1/sources', { name: 'shop', connector: 'shop', config: { base_url: shop.url, api_key: 'demo' }, team: 'sales', labels: { env: 'prod' } });
  await api('POST', '/api/v1/sources', { name: 'shop away', connector: 'shop', config: { base_url: 'http://127.0.0.1:9', api_key: 'demo' }, team: 'finance' });
  await api('POST', '/api/v1/sources', { name: 'shop wrong key', connector: 'shop', config: { base_url: shop.url, api_key: 'wrong' }, team: 'growth' });
  await api('POST', '/api/v1/destinations', { name: 'warehouse', connector: 'duckdb', config: { path: join(dir, 'warehouse.duckdb') }, team: 'sales' });
  const connections = [];
  const add = async (name, source, more = {}) => {
    const c = await api('POST', '/api/v1/connections', { name, source, destination: 'warehouse', schedule: { every: '1h' }, labels: { env: 'prod' }, ...more });
    connections.push(c);
    return c;
  };
  for (let i = 0; i < healthy; i++) await add(`shop to warehouse ${i + 1}`, 'shop', { team: teams[i % 3], labels: { env: i % 2 ? 'staging' : 'prod' } });
  await add('orders of the shop that is away', 'shop away', { team: 'finance' });
  await add('shop with a wrong key', 'shop wrong key', { team: 'growth' });
  await add('paused for the winter', 'shop', { team: 'sales', paused: true });
  if (run) for (const c of connections.slice(0, -1)) await api('POST', `/api/v1/connections/${c.id}/sync`, {}).catch(() => api('POST', `/api/v1/connections/${c.id}/sync`));
  return connections;
}

/** Waits until the latest sync of a connection has ended, and returns it. */
export async function ended(platform, id, ms = 90_000) {
  return until(`the sync of ${id} has ended`, async () => {
    const c = await platform.api('GET', `/api/v1/connections/${id}`);
    return c.last_sync?.state === 'ended' ? c : undefined;
  }, ms);
}

/** What `sluice plan` says of a document: the changes that `sluice apply` would make. It throws on what is no document. */
export function plan(platform, yaml) {
  const file = join(platform.dir, 'planned.yaml');
  writeFileSync(file, yaml);
  return execFileSync(binary, ['plan', '-f', file, '--server', platform.url], { env: { PATH: process.env.PATH, HOME: tmpdir(), SLUICE_TOKEN: platform.token }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What an item of a form's menu Copy as puts into the clipboard. */
export async function copied(page, button, item) {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await button.click();
  await page.getByRole('menuitem', { name: item }).click();
  return page.evaluate(() => navigator.clipboard.readText());
}

let browser;

/** The browser, started when it is first wanted; `closeBrowser` in `after`. */
export async function launch() {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
  });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = undefined;
}

/**
 * A page of a browser that nobody uses beside. It collects what must never be:
 * errors of scripts, of the console and of the policy, and requests to others;
 * `page.faults()` returns them, and `check` fails on them.
 */
export async function openPage(platform, { size = widths.desk, theme = 'light', reducedMotion = 'reduce', zone = 'Europe/Paris' } = {}) {
  const context = await (await launch()).newContext({ baseURL: platform.url, viewport: size, colorScheme: theme, reducedMotion, timezoneId: zone, locale: 'en-GB' });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (e) => faults.push(`error: ${e.message}`));
  page.on('console', (m) => {
    // What the browser says of refused requests is shown by the page.
    if (m.type() === 'error' && !/^Failed to load resource/.test(m.text())) faults.push(`console: ${m.text()}`);
  });
  page.on('request', (r) => {
    if (!r.url().startsWith(platform.url) && !/^(data|blob):/.test(r.url())) faults.push(`request to ${r.url()}`);
  });
  page.faults = () => faults.splice(0);
  page.done = () => context.close();
  return page;
}

/** Waits until a page is there: its heading, and not the one of its loading. */
export async function settled(page) {
  await page.getByRole('heading', { level: 1 }).filter({ hasNotText: /^Loading$/ }).first().waitFor();
}

const sessions = new Map();

/** A page on which someone of that role is signed in. The first one signs in by hand. */
export async function signIn(platform, { role = 'owner', at = '/', ...how } = {}) {
  const email = await addPerson(platform, role);
  const page = await openPage(platform, how);
  const key = `${platform.url} ${role}`;
  if (sessions.has(key)) {
    await page.context().addCookies(sessions.get(key));
    await page.goto(at);
  } else {
    await page.goto(`/sign-in?to=${encodeURIComponent(at)}`);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.waitForURL((u) => !u.pathname.startsWith('/sign-in'));
    sessions.set(key, await page.context().cookies());
  }
  await settled(page);
  return page;
}

/**
 * Fails on what axe finds against WCAG 2.2 AA, on the page or within a part of it, naming rule and element.
 * It lists only what is wrong, and in the page itself, which has no frames of others: that takes a quarter of the time.
 */
export async function axe(page, what = page.url(), within = 'html') {
  const found = await new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ['violations'] }).include(within).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  const told = found.violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.slice(0, 4).map((n) => `    ${n.target.join(' ')}: ${n.any[0]?.message ?? n.failureSummary ?? ''}`).join('\n')}`);
  assert.equal(told.length, 0, `axe on ${what}:\n${told.join('\n')}`);
}

/** Waits until no part of a page says that it is loading, and it has not changed for some frames. */
export async function still(page) {
  await page.getByRole('status').filter({ hasText: /^Loading$/ }).first().waitFor({ state: 'detached' });
  await page.evaluate(
    () =>
      new Promise((done) => {
        let frames = 0;
        const changes = new MutationObserver(() => (frames = 0));
        changes.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        const next = () => {
          if (++frames < 6) return requestAnimationFrame(next);
          changes.disconnect();
          done();
        };
        next();
      }),
  );
}

/** Keeps a picture as an artefact of the run, for people to look at. */
export async function shot(page, name, options = {}) {
  mkdirSync(artifacts, { recursive: true });
  await page.screenshot({ path: join(artifacts, `${name}.png`), ...options });
}

/** Nothing of a page is wider than its window. */
export async function fits(page, what = page.url()) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window + 1, `${what} is ${wide} px wide in a window of ${window}`);
  const main = await page.evaluate(() => { const m = document.querySelector('main'); return m ? [m.scrollWidth, m.clientWidth] : [0, 0]; });
  assert.ok(main[0] <= main[1] + 1, `the main part of ${what} is ${main[0]} px wide in ${main[1]}`);
}

/** A page as it is now: no faults, accessible, no wider than its window, and a picture. */
export async function check(page, name) {
  await fits(page, name);
  await axe(page, name);
  assert.deepEqual(page.faults(), [], `faults on ${name}`);
  await shot(page, name);
}

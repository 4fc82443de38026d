// Prints how fast the interface is with many connections: npm run measure.
// CONNECTIONS (10000) says how many. The figures of the requirements are beside.
import { closeBrowser, seed, shot, signIn, startPlatform, startShop, widths } from './kit.mjs';

const wanted = Number(process.env.CONNECTIONS ?? 10_000);

/** Makes connections until there are so many, of teams, regions of labels and schedules of all kinds. */
async function fill(platform) {
  const teams = ['sales', 'finance', 'growth', 'logistics', 'support', 'marketing', 'platform', 'people'];
  const sources = ['shop', 'shop', 'shop', 'shop away', 'shop', 'shop wrong key', 'shop', 'shop', 'shop', 'shop'];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < wanted; i = next++) {
      const name = `${teams[i % 8]} ${['orders', 'customers', 'events', 'invoices', 'tickets', 'stock'][i % 6]} ${String(i).padStart(5, '0')}`;
      const body = { name, source: sources[i % 10], destination: 'warehouse', schema: `s${i}`, team: teams[i % 8], paused: i % 29 === 0, labels: { env: i % 3 ? 'prod' : 'staging', tier: String(i % 4) }, schedule: { manual: true } };
      for (;;) {
        try {
          await platform.api('POST', '/api/v1/connections', body);
          break;
        } catch (e) {
          if (!/: 429 /.test(e.message)) throw e;
          await new Promise((done) => setTimeout(done, 200));
        }
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Runs in the page before anything: notes when what is looked for is painted. */
function watch(selector) {
  const look = () => {
    if (!document.querySelector(selector)) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => (window.shownAt = performance.now())));
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true });
}

async function visit(platform, at, selector, name) {
  const page = await signIn(platform, { at: '/account', size: widths.desk });
  await page.addInitScript(watch, selector);
  const times = [];
  for (let i = 0; i < 3; i++) {
    await page.goto(at);
    await page.waitForFunction(() => window.shownAt > 0, undefined, { timeout: 60_000 });
    times.push(
      await page.evaluate(() => {
        const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0;
        const files = performance.getEntriesByType('resource');
        const data = files.find((r) => r.name.endsWith('/api/v1/fleet'));
        const sum = (of) => of.reduce((n, r) => n + r.encodedBodySize, 0);
        return {
          paint, data: data?.responseEnd ?? 0, fetch: (data?.responseEnd ?? 0) - (data?.startTime ?? 0), bytes: data?.encodedBodySize ?? 0,
          shown: window.shownAt, script: sum(files.filter((r) => r.initiatorType === 'script' || r.name.endsWith('.js'))), heap: performance.memory?.usedJSHeapSize ?? 0,
        };
      }),
    );
  }
  await shot(page, name);
  await page.done();
  const median = (key) => times.map((t) => t[key]).sort((a, b) => a - b)[1];
  return Object.fromEntries(Object.keys(times[0]).map((k) => [k, median(k)]));
}

const ms = (n) => `${n.toFixed(0)} ms`;
const shop = await startShop();
const platform = await startPlatform();
try {
  await seed(platform, shop, { run: false });
  const began = Date.now();
  await fill(platform);
  console.log(`${wanted} connections made in ${((Date.now() - began) / 1000).toFixed(0)} s`);
  const home = await visit(platform, '/', 'svg[role="img"][aria-label^="sales"]', 'measure-home');
  const list = await visit(platform, '/connections', '[role="row"][aria-rowindex="2"]', 'measure-connections');
  console.log(`home page:   first paint ${ms(home.paint)} (below 1000 ms), all shown ${ms(home.shown)}; data ${ms(home.fetch)}, ${(home.bytes / 1000).toFixed(0)} kB; shown ${ms(home.shown - home.data)} after data`);
  console.log(`connections: first paint ${ms(list.paint)}, rows shown ${ms(list.shown - list.data)} after data (below 200 ms); data ${ms(list.fetch)}, ${(list.bytes / 1000).toFixed(0)} kB`);
  console.log(`scripts of the home page: ${(home.script / 1000).toFixed(0)} kB gzipped (below 300 kB); memory ${(home.heap / 1e6).toFixed(0)} MB`);
} finally {
  await closeBrowser();
  await platform.stop();
  await shop.stop();
}

// One page in both themes and all widths, without signing in anew for each.
import { check, fits, shot, still, themes, widths } from './kit.mjs';

/**
 * A page as it stands, in every theme and width: it fits, and a picture is kept.
 * Rules of accessibility that go by colour are looked at in both themes, those that
 * go by the layout at two widths; the rest is the same. It is as before afterwards.
 */
export async function everyLook(page, name, { sizes = Object.keys(widths) } = {}) {
  for (const theme of themes)
    for (const size of sizes) {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      await page.setViewportSize(widths[size]);
      await page.waitForFunction((theme) => document.documentElement.dataset.mantineColorScheme === theme, theme);
      await still(page);
      const what = `${name}-${size}-${theme}`;
      if (size === 'desk' || (size === 'phone' && theme === 'light')) await check(page, what);
      else {
        await fits(page, what);
        await shot(page, what);
      }
    }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize(widths.desk);
}

/** A text that would be a picture with a script, were it ever taken for HTML. */
export const markup = '<img src=x onerror="window.pwned=1"><b>bold</b>';

/** No part of the page was made of what a name holds. */
export async function harmless(page) {
  return page.evaluate(() => ({ ran: 'pwned' in window, images: [...document.images].filter((i) => i.getAttribute('src') === 'x').length }));
}

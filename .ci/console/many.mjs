// 10,000 pictures: how long until the first of them are seen.
import assert from 'node:assert/strict';
import { api, quiet, signedIn, url } from './rig.mjs';
import { app, small } from './pictures.mjs';

const bar = 1000; // ms, from the navigation until every thumbnail in sight is drawn

// firstGrid opens the list in a browser that has nothing of it, and says how long it took.
async function firstGrid(container) {
  const page = await signedIn({ viewport: { width: 1200, height: 900 } });
  await page.goto(`${url}/console/#/pictures?container=${container}`);
  const took = await page.evaluate(() => new Promise((resolve) => {
    const look = () => {
      const inSight = [...document.querySelectorAll('.plates img')].filter((img) => img.getBoundingClientRect().top < innerHeight);
      if (inSight.length >= 12 && inSight.every((img) => img.complete && img.naturalWidth > 0)) resolve(performance.now());
      else requestAnimationFrame(look);
    };
    look();
  }));
  return { page, took: Math.round(took) };
}

export async function many(t) {
  const key = await app();
  const all = Array.from({ length: 10_000 }, (_, i) => i).entries();
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (const [i] of all) await api('PUT', '/picture', { name: `${key}-many/${String(i).padStart(5, '0')}/${i}.png`, app: key }, small(i));
  }));
  const times = [];
  let page;
  for (let i = 0; i < 3 || i < 10 && Math.min(...times) >= bar; i++) { // the machine has others on it: the best counts
    const grid = await firstGrid(`${key}-many`);
    times.push(grid.took);
    quiet(grid.page);
    await page?.context().close();
    page = grid.page;
  }
  t.diagnostic(`first grid of 10,000 pictures after ${times.join(', ')} ms`);
  assert.ok(Math.min(...times) < bar);

  // it goes on by itself near the end
  for (let pages = 0; pages < 5; pages++) {
    const n = await page.locator('.plates a').count();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.waitForFunction((n) => document.querySelectorAll('.plates a').length > n, n);
  }
  quiet(page);
}

// Every page in every way in which it is looked at.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { api, open, quiet, settled, signedIn, url, violations, visit } from './rig.mjs';

const languages = { 'en-us': 'en-US', 'zh-tw': 'zh-Hant-TW', 'zh-cn': 'zh-Hans-CN' };
const widths = [1200, 500, 320];
const shots = process.env.SHOTS;

async function pages() {
  const { pictures } = await api('GET', '/pictures', { search: 'landscape_1.jpg', limit: 1 });
  const cached = await api('GET', '/pictures', { tier: 'cache', limit: 1 });
  const name = (picture) => new URLSearchParams({ name: picture.name });
  return {
    overview: '#/overview',
    pictures: '#/pictures',
    nothing: '#/pictures?search=there-is-no-such-name',
    picture: `#/picture?${name(pictures[0])}`,
    expiring: `#/picture?${name(cached.pictures[0])}`,
    gone: '#/picture?name=a/b/c.jpg',
    upload: '#/upload',
    trash: '#/trash',
    apps: '#/apps',
    links: '#/links',
    activity: '#/activity',
    snippets: '#/snippets',
    welcome: '#/welcome',
    missing: '#/no-such-page',
  };
}

// More that is seen on a page: steps that open it.
const opened = {
  'pictures-list': ['#/pictures', async (page) => page.locator('.segments label').nth(1).click()],
  'pictures-chosen': ['#/pictures', async (page) => page.locator('.tick').first().check({ force: true })],
  'pictures-links': ['#/pictures', async (page) => {
    await page.locator('.tick').first().check({ force: true });
    await page.locator('.chosen button').first().click();
    await page.locator('dialog .primary').click();
    await page.locator('dialog .code').waitFor();
  }],
  'apps-create': ['#/apps', async (page) => page.locator('.page-head .primary').click()],
  'apps-limits': ['#/apps', async (page) => page.locator('main li.card .actions button').first().click()],
  'apps-remove': ['#/apps', async (page) => page.locator('main li.card .actions .danger').first().click()],
  'links-explained': ['#/links', async (page) => {
    await page.locator('input[list]').fill('hostile-names');
    await page.locator('main .primary').first().click();
    await page.locator('main .code').first().waitFor();
    await page.locator('main textarea').fill(await page.locator('main pre').first().innerText());
    await page.locator('main .primary').nth(1).click();
    await page.locator('.findings').waitFor();
  }],
  'trash-purge': ['#/trash', async (page) => page.locator('.row .danger').first().click()],
  'upload-chosen': ['#/upload', async (page) => {
    await page.setInputFiles('input[type=file]', { name: '<i>\u202e.png', mimeType: 'image/png', buffer: Buffer.from('89504e47', 'hex') });
    await page.locator('.option input').nth(2).check();
  }],
};

async function look(page, name, language) {
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    for (const width of widths) {
      const at = `${name} ${language} ${scheme} ${width}`;
      await page.setViewportSize({ width, height: 900 });
      const [shown, wide, raw, lang] = await page.evaluate((keys) => {
        const texts = [document.title, document.body.innerText];
        for (const el of document.querySelectorAll('[aria-label], [title], [placeholder], [alt]')) {
          texts.push(...['aria-label', 'title', 'placeholder', 'alt'].map((a) => el.getAttribute(a) ?? ''));
        }
        const words = new Set(texts.join('\n').split(/[\s"',;:()]+/));
        return [document.documentElement.clientWidth, document.documentElement.scrollWidth, keys.filter((key) => words.has(key)), document.documentElement.lang];
      }, await keys(page));
      assert.ok(wide <= shown, `${at}: ${wide} pixels wide, scrolls sideways`);
      assert.deepEqual(raw, [], `${at}: raw keys`);
      assert.equal(lang, languages[language], at);
      if (shots) {
        await page.evaluate(() => scrollTo(0, 0));
        mkdirSync(shots, { recursive: true });
        await page.screenshot({ path: `${shots}/${name}.${language}.${scheme}.${width}.png`, fullPage: width !== 1200 || !name.startsWith('pictures') });
      }
      if (language === 'en-us' && width !== 500) assert.deepEqual(await violations(page), [], at);
    }
  }
  quiet(page);
}

let allKeys;
const keys = async (page) => (allKeys ??= await page.evaluate(async () => {
  const words = (await import('./lang/en-us.js')).default;
  return Object.entries(words).flatMap(([group, texts]) => Object.keys(texts).map((key) => `${group}.${key}`));
}));

export async function sweep() {
  const all = await pages();
  const titles = new Set();
  for (const language of Object.keys(languages)) {
    const page = await signedIn({ viewport: { width: 1200, height: 900 } });
    page.allowed = [404]; // of the picture that is gone, and of a thumbnail of no picture
    await page.addInitScript((language) => location.protocol.startsWith('http') && localStorage.setItem('tintype.language', language), language);
    for (const [name, hash] of Object.entries(all)) {
      await visit(page, hash);
      await look(page, name, language);
      if (language === 'en-us') titles.add(await page.title());
    }
    for (const [name, [hash, step]] of Object.entries(opened)) {
      await visit(page, hash);
      await step(page);
      await settled(page);
      await look(page, name, language);
      await page.evaluate(() => localStorage.removeItem('tintype.view'));
    }
    await page.context().close();

    const outside = await open();
    outside.allowed = [401];
    await outside.addInitScript((language) => location.protocol.startsWith('http') && localStorage.setItem('tintype.language', language), language);
    await outside.goto(`${url}/console/`);
    await settled(outside);
    await look(outside, 'signin', language);
    await outside.context().close();
  }
  assert.equal(titles.size, Object.keys(all).length - 1, 'titles of pages: pictures has one for both of its');

  // a browser's own language is taken where none was chosen
  for (const [locale, lang] of [['zh-HK', 'zh-Hant-TW'], ['zh-SG', 'zh-Hans-CN'], ['fr-FR', 'en-US']]) {
    const page = await open({ locale });
    page.allowed = [401];
    await page.goto(`${url}/console/`);
    await settled(page);
    assert.equal(await page.evaluate(() => document.documentElement.lang), lang);
    await page.context().close();
  }
}

// A browser whose every page is watched: what it logs, and whom it asks.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

export const url = process.env.TINTYPE_URL;
export const token = process.env.TINTYPE_TOKEN;
export const pictures = process.env.PICTURES;
export const picture = (name) => `${pictures}/${name}`;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none'],
});

// open returns a page in a context of its own. What it must not do is in trouble.
export async function open(options = {}) {
  const context = await browser.newContext({ locale: 'en-US', reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'], ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.trouble = [];
  page.allowed = []; // statuses that this page provokes, which the browser logs
  const complain = (text) => page.allowed.some((status) => text.includes(`status of ${status}`)) || page.trouble.push(text);
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && complain(`console: ${m.text()} ${m.location().url}`));
  page.on('pageerror', (error) => page.trouble.push(`error: ${error.stack}`));
  page.on('dialog', (dialog) => {
    page.trouble.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && !page.origins.includes(origin)) page.trouble.push(`asks another origin: ${request.url()}`);
  });
  page.origins = [new URL(url).origin];
  return page;
}

export function quiet(page) {
  assert.deepEqual(page.trouble, []);
}

// signedIn is a page of somebody who has an admin token.
export async function signedIn(options) {
  const page = await open(options);
  const answer = await page.request.post(`${url}/api/v1/session`, { data: { token } });
  assert.equal(answer.status(), 204);
  return page;
}

export async function visit(page, hash) {
  await page.goto('about:blank'); // or the page that is there would only turn
  await page.goto(`${url}/console/${hash}`);
  await settled(page);
}

// settled waits until nothing is being loaded and what is in sight is drawn.
export async function settled(page) {
  await page.waitForSelector('h1');
  await page.waitForFunction(() =>
    !document.querySelector('.loading, .stale') &&
    [...document.images].every((img) => img.complete || img.getBoundingClientRect().top > innerHeight));
}

// violations returns what axe-core finds on a page, in words.
export async function violations(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations);
  return found.map((v) => `${v.id}: ${v.help}\n` + v.nodes.map((n) => `    ${n.html}\n    ${n.failureSummary}`).join('\n'));
}

const headers = { Authorization: `Bearer ${token}` };

// api asks the native API as a script does.
export async function api(method, path, query = {}, body) {
  const answer = await fetch(`${url}/api/v1${path}?${new URLSearchParams(query)}`, { method, headers, body });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? '' : await answer.text()}`);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());

// tabTo presses Tab, or a key like it, until the focus is on what a selector means, and holds that it
// can be seen there.
export async function tabTo(page, selector, key = 'Tab', most = 80) {
  for (let i = 0; i < most; i++) {
    await page.keyboard.press(key);
    const at = await page.evaluate((selector) => {
      const el = document.activeElement;
      if (!el?.matches(selector)) return '';
      const shown = [el, el.nextElementSibling].filter(Boolean).map((e) => getComputedStyle(e)).some((s) => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 1);
      return shown ? 'seen' : 'unseen';
    }, selector);
    if (at) {
      assert.equal(at, 'seen', `the focus on ${selector} cannot be seen`);
      return;
    }
  }
  assert.fail(`Tab does not reach ${selector}`);
}

// The console, as its users have it. The tests build on each other: the first finds
// an empty server.
import test, { after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { api, browser, clipboard, open, picture, quiet, settled, signedIn, tabTo, token, url, visit } from './rig.mjs';
import { hostile, putPictures } from './pictures.mjs';
import { sweep } from './sweep.mjs';
import { many } from './many.mjs';

after(() => browser.close());

// reads holds that a link brings these bytes to somebody who knows nothing else.
async function reads(link, file) {
  const page = await open();
  page.origins.push(new URL(link).origin);
  const answer = await page.goto(link);
  assert.equal(answer.status(), 200);
  assert.ok((await answer.body()).equals(readFileSync(file)), 'other bytes');
  await page.context().close();
}

const heading = (page) => page.locator('h1').innerText();

test('first run: from the set-up link to the first picture', async () => {
  const page = await open();
  await page.goto(process.env.TINTYPE_SETUP);
  await settled(page);
  assert.equal(await heading(page), 'Welcome to tintype');
  assert.ok(!page.url().includes('setup'), 'the token is in the address bar');
  await page.locator('main').getByRole('link', { name: 'Upload' }).click();
  await page.setInputFiles('input[type=file]', picture('photo.jpg'));
  await page.getByRole('button', { name: 'Upload 1 file' }).click();
  await page.getByRole('button', { name: 'Copy link' }).click();
  await page.getByText('Copied.').first().waitFor();
  await reads(await clipboard(page), picture('photo.jpg'));
  quiet(page);

  const other = await open();
  other.allowed = [401, 403];
  await other.goto(process.env.TINTYPE_SETUP);
  await other.getByText('it was used already').waitFor();
  assert.equal(await heading(other), 'Sign in to tintype');
  assert.ok(!other.url().includes('setup'));
  quiet(other);
});

test('upload: files dropped, pasted and chosen; what is no picture is told', async () => {
  const page = await signedIn();
  page.allowed = [422];
  await visit(page, '#/overview');
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['this is no picture'], '<b>no</b>.jpg', { type: 'image/jpeg' }));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await page.waitForURL(/#\/upload/);
  await page.setInputFiles('input[type=file]', [picture('landscape_1.jpg'), picture('alpha.png'), picture('lossy.webp')]);
  await page.getByLabel('In a container').check();
  await page.getByLabel('Resource').fill('1/bb2c');
  await page.getByRole('button', { name: 'Upload 4 files' }).click();
  await page.getByText('3 of 4 stored').waitFor();
  await page.getByText('<b>no</b>.jpg').waitFor();
  await page.getByText('This is no picture that the server takes').waitFor();
  await page.getByRole('button', { name: 'Copy all links' }).click();
  await page.getByText('Copied.').first().waitFor();
  const links = (await clipboard(page)).split('\n');
  assert.equal(links.length, 3);
  await reads(links.find((link) => link.includes('_full.png')), picture('alpha.png'));
  quiet(page);
});

test('a picture: preview, links in four forms, details', async () => {
  const page = await signedIn();
  await visit(page, '#/pictures?search=_full.jpg');
  await page.locator('.plates a').first().click();
  await settled(page);
  await page.waitForFunction(() => document.querySelector('.preview img').naturalWidth > 0);
  await page.getByRole('button', { name: 'Make a link' }).click();
  const copied = {};
  for (const form of ['HTML', 'Markdown', 'curl', 'URL']) {
    await page.getByRole('radio', { name: form, exact: true }).check();
    await page.locator('.linkmaker .code').getByRole('button', { name: 'Copy' }).click();
    copied[form] = await clipboard(page);
  }
  const link = copied.URL;
  assert.ok(copied.HTML.startsWith('<img src="') && copied.Markdown.startsWith('![') && copied.curl.startsWith("curl -o '"));
  assert.ok(copied.curl.includes(`'${link}'`) && copied.Markdown.includes(link));
  await reads(link, picture('landscape_1.jpg'));
  assert.equal((await page.request.get(link.replace(/\?.*/, ''))).status(), 404, 'without its token');
  assert.ok(await page.getByText('1024').first().isVisible(), 'its variant');
  quiet(page);
});

test('delete, undo, trash, restore, purge', async () => {
  const page = await signedIn();
  await visit(page, '#/pictures?search=.png');
  const names = await page.locator('.plates a').count();
  await page.locator('.plates a').first().click();
  await settled(page);
  const name = new URLSearchParams(page.url().split('?')[1]).get('name');
  const { url: link } = await page.request.post(`${url}/api/v1/links`, { data: { name } }).then((a) => a.json());
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Moved to the trash.').waitFor();
  await page.waitForURL(/#\/pictures/);
  assert.equal((await page.request.get(link)).status(), 404, 'a deleted picture');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Restored, at its old URL.').waitFor();
  assert.equal((await page.request.get(link)).status(), 200, 'an undone deletion');

  await visit(page, '#/pictures?search=.png');
  await page.locator('.tick').first().check({ force: true });
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.waitForFunction((n) => document.querySelectorAll('.plates a').length === n, names - 1);
  await visit(page, '#/trash');
  await page.getByRole('button', { name: /^Restore / }).first().click();
  await page.getByText('Restored, at its old URL.').waitFor();
  await page.getByText('The trash is empty').waitFor();
  await reads(link, picture('alpha.png'));

  await api('DELETE', '/picture', { name });
  await visit(page, '#/trash');
  await page.getByRole('button', { name: /^Delete for good / }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
  await page.getByText('The trash is empty').waitFor();
  quiet(page);
});

test('applications: a secret shown once, two of them, limits, removal', async () => {
  const page = await signedIn();
  await visit(page, '#/apps');
  await page.getByRole('button', { name: 'New application' }).click();
  await page.getByRole('dialog').getByLabel('Key').fill('shop');
  await page.getByRole('dialog').getByRole('button', { name: 'New application' }).click();
  await page.getByText('The new secret of shop').waitFor();
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.goBack();
  await page.getByRole('button', { name: 'I have it' }).click();
  const shop = page.locator('li.card', { has: page.getByRole('heading', { name: 'shop' }) });
  await shop.getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('button', { name: 'I have it' }).click();
  await page.getByText('Two secrets are valid').waitFor();
  await shop.getByRole('button', { name: 'End the old secret' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End the old secret' }).click();
  await page.getByText('Two secrets are valid').waitFor({ state: 'detached' });
  await shop.getByRole('button', { name: 'Limits and access' }).click();
  await page.getByLabel('Storage limit').fill('2');
  await page.getByLabel('Browser origins').fill('https://shop.example.com');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('https://shop.example.com').waitFor();
  await shop.getByRole('button', { name: 'Remove' }).click();
  const remove = page.getByRole('dialog').getByRole('button', { name: 'Remove' });
  assert.ok(await remove.isDisabled());
  await page.getByLabel('Type shop to confirm').fill('shop');
  await remove.click();
  await shop.waitFor({ state: 'detached' });
  quiet(page);
});

test('links: made for a container, and explained', async () => {
  const page = await signedIn();
  const { pictures: [first] } = await api('GET', '/pictures', { search: '_full.jpg' });
  await visit(page, '#/links');
  await page.getByLabel('Container or whole name of a picture').fill(first.name.split('/')[0]);
  await page.getByRole('button', { name: 'Make a link' }).click();
  const made = await page.getByLabel('Token', { exact: true }).innerText();
  await reads(`${first.url}?${made}`, picture('landscape_1.jpg'));
  const box = page.locator('textarea');
  await box.fill(`${first.url}?${made}`);
  await page.getByRole('button', { name: 'Check the link' }).click();
  await page.getByText('The link works.').waitFor();
  await box.fill(`${first.url}?${made.replace(/sig=..../, 'sig=AAAA')}`);
  await page.getByRole('button', { name: 'Check the link' }).click();
  await page.getByText('The link does not work.').waitFor();
  quiet(page);
});

test('a session that ended leads to the sign-in page, and back', async () => {
  const page = await signedIn();
  page.allowed = [401];
  await visit(page, '#/pictures?type=image');
  await page.request.delete(`${url}/api/v1/session`);
  await page.getByRole('link', { name: 'Trash' }).click();
  await page.getByRole('heading', { name: 'Sign in to tintype' }).waitFor();
  await page.getByLabel('Link or token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Trash', exact: true }).waitFor();
  quiet(page);
});

test('hostile names and metadata are text', async () => {
  await putPictures();
  const page = await signedIn();
  for (const name of hostile) {
    await visit(page, `#/picture?${new URLSearchParams({ name })}`);
    assert.equal(await page.evaluate(() => document.querySelectorAll('main b, main script, main iframe, main img[onerror]').length), 0, name);
    const last = name.slice(name.lastIndexOf('/') + 1);
    const shown = await heading(page);
    if (/[\u202e\u2066]/.test(last)) assert.match(shown, /U\+202E|U\+2066/);
    else assert.equal(shown, last.replace(/[\u200f]/g, 'U+200F'));
    assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(await page.title()), 'an override in the title');
  }
  await visit(page, '#/pictures?container=hostile-names');
  assert.equal(await page.locator('.plates a').count(), hostile.length);
  await page.getByRole('radio', { name: 'List' }).check();
  await page.locator('tbody tr').first().waitFor();
  await visit(page, '#/activity');
  assert.equal(await page.evaluate(() => document.querySelectorAll('main b, main script').length), 0);
  quiet(page);
});

test('with the keyboard alone: find, open, delete and restore a picture', async () => {
  const page = await signedIn({ viewport: { width: 1200, height: 900 } });
  await visit(page, '#/overview');
  await tabTo(page, '.skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.reload();
  await settled(page);
  await tabTo(page, 'nav a[href="#/pictures"]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/#\/pictures/);
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  await settled(page);
  await tabTo(page, 'input[type=search]');
  await page.keyboard.type('.gif');
  await page.keyboard.press('Enter');
  await page.waitForURL(/search=/);
  await settled(page);
  await tabTo(page, '.plates a');
  await tabTo(page, '.tick');
  await page.keyboard.press('Space');
  await page.getByText('1 selected').waitFor();
  await tabTo(page, '.chosen .danger');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest('dialog')), 'the focus left the dialog');
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.ok(await page.evaluate(() => document.activeElement.matches('.chosen .danger')), 'the focus did not come back');
  await page.keyboard.press('Enter');
  await tabTo(page, 'dialog .danger');
  await page.keyboard.press('Enter');
  await page.getByText('Moved to the trash.').waitFor();
  await tabTo(page, '.toast button:not(.bare)', 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByText('Restored, at its old URL.').waitFor();
  await settled(page);
  await tabTo(page, '.plates a');
  await page.keyboard.press('Enter');
  await page.waitForURL(/#\/picture\?/);
  await settled(page);
  await tabTo(page, '.linkmaker .primary');
  await page.keyboard.press('Enter');
  await page.locator('.linkmaker .code').waitFor();
  await tabTo(page, '.linkmaker .code button');
  await page.keyboard.press('Enter');
  await page.getByText('Copied.').first().waitFor();
  quiet(page);
});

test('many at once: a range with shift, all, links to them; searching goes on by itself', async () => {
  const page = await signedIn();
  await visit(page, '#/pictures');
  const ticks = page.locator('.plate-item .tick');
  await ticks.nth(1).click({ force: true });
  await ticks.nth(4).click({ force: true, modifiers: ['Shift'] });
  await page.getByText('4 selected').waitFor();
  await page.getByRole('button', { name: 'Make 4 links' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Make 4 links' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Copy' }).click();
  for (const link of (await clipboard(page)).split('\n')) assert.equal((await page.request.get(link)).status(), 200, link);
  await page.keyboard.press('Escape');
  await page.getByLabel('Select all').check();
  await page.getByText(`${await ticks.count()} selected`).waitFor();
  await page.getByRole('searchbox').fill('film.mp4');
  await page.waitForURL(/search=film/);
  await page.waitForFunction(() => document.querySelectorAll('.plates a').length === 1);
  assert.equal(await page.getByText('selected').count(), 0);
  quiet(page);
});

test('language and colors are chosen, and remembered', async () => {
  const page = await signedIn();
  await visit(page, '#/trash');
  await page.getByLabel('Language').focus(); // as somebody has who chooses
  await page.getByLabel('Language').selectOption('zh-tw');
  await page.getByRole('heading', { name: '垃圾桶', exact: true }).waitFor();
  assert.ok(await page.evaluate(() => document.activeElement.matches('select')), 'the focus stays where it was');
  await page.getByLabel('外觀').selectOption('dark');
  await page.reload();
  await settled(page);
  assert.equal(await heading(page), '垃圾桶');
  assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.documentElement).colorScheme]), ['zh-Hant-TW', 'dark']);
  quiet(page);
});

test('every page, in three languages, light and dark, at 1200, 500 and 320 pixels', sweep);

test('a backup goes into an empty server by its console', async () => {
  const backup = await fetch(`${url}/api/v1/backup`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(backup.status, 200);
  writeFileSync(process.env.TINTYPE_BACKUP, Buffer.from(await backup.arrayBuffer()));
  const page = await open();
  page.allowed = [503];
  page.origins.push(new URL(process.env.TINTYPE_SECOND).origin);
  await page.goto(process.env.TINTYPE_SECOND);
  await settled(page);
  await page.setInputFiles('input[type=file]', process.env.TINTYPE_BACKUP);
  await page.getByRole('heading', { name: 'Overview' }).waitFor({ timeout: 30000 });
  await page.getByText('The backup is restored').waitFor();
  await page.getByRole('link', { name: 'Pictures' }).first().click();
  await page.getByText('film.mp4').waitFor();
  page.trouble = page.trouble.filter((text) => !text.includes('ERR_CONNECTION_REFUSED')); // while it starts again
  quiet(page);
});

test('10,000 pictures: the first grid in under a second', many);

// Pictures for the console: those of testdata, some with names as an enemy chooses
// them, and many small ones.
import { readdirSync, readFileSync } from 'node:fs';
import { deflateSync, crc32 } from 'node:zlib';
import { api, picture, pictures } from './rig.mjs';

export const hostile = [
  '<b>bold</b><script>alert(1)</script>.jpg',
  '"><img src=x onerror=alert(2)>.jpg',
  "' onmouseover=alert(3) '.jpg",
  'invoice\u202egpj.exe',
  'a\u2066b\u2069.png',
  '{n} ${alert(4)} {{url}}.png',
  'javascript:alert(5)',
  '圖片 相機 カメラ שלום عربي.jpg',
  'a'.repeat(200) + '.jpg',
  '100%25 & #?=+.jpg',
].map((name) => `hostile-names/folder/${name}`);

export const app = async () => (await api('GET', '/apps')).apps[0].key;

// putPictures stores what the tests and the screenshots look at.
export async function putPictures() {
  const key = await app();
  for (const name of hostile) await api('PUT', '/picture', { name, app: key }, readFileSync(picture('landscape_2.jpg')));
  const files = readdirSync(pictures).filter((name) => /\.(jpg|png|gif|webp|bmp)$/.test(name));
  for (const name of files) await api('PUT', '/picture', { name: `${key}-imports/${name.replace(/.*\./, '')}/${name}`, app: key }, readFileSync(picture(name)));
  await api('PUT', '/picture', { name: `${key}-imports/film/film.mp4`, app: key, type: 'video/mp4' }, Buffer.alloc(5000, 7));
  for (const name of ['gray.jpg', 'animated.gif']) {
    const trashed = `${key}-trashed/folder/${name}`;
    await api('PUT', '/picture', { name: trashed, app: key }, readFileSync(picture(name)));
    await api('DELETE', '/picture', { name: trashed });
  }
  await api('POST', '/apps', {}, '{"key":"gallery"}');
  await api('POST', '/apps/gallery/rotate');
  await api('PATCH', '/apps/gallery', {}, '{"max_bytes":5368709120,"max_pictures":20000,"origins":["https://gallery.example.com"],"accounts":["1607279","1607280"]}');
  for (const name of ['landscape_5.jpg', 'landscape_6.jpg']) await api('POST', '/pictures', { app: key, ttl: 7200 }, readFileSync(picture(name)));
}

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body) >>> 0, body.length + 4);
  return out;
};

// small is a PNG of side x side pixels in a colour of its own.
export function small(i, side = 96) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side);
  head.writeUInt32BE(side, 4);
  head.set([8, 2], 8);
  const rows = Buffer.alloc(side * (side * 3 + 1));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) rows.set([(i * 37 + x) & 255, (i * 11 + y * 2) & 255, (i >> 4) & 255], y * (side * 3 + 1) + 1 + x * 3);
  }
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows, { level: 1 })), chunk('IEND', Buffer.alloc(0))]);
}

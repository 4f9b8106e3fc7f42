// Drives a running tintype with Azure's JavaScript SDK, unmodified and with
// nothing but SAS URLs: TINTYPE_CONTAINER, an empty container, and TINTYPE_MANY,
// which has 50 folders of 50 blobs.
import { ContainerClient, RestError } from '@azure/storage-blob';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { Readable } from 'node:stream';

const container = new ContainerClient(process.env.TINTYPE_CONTAINER);
const many = new ContainerClient(process.env.TINTYPE_MANY);
const text = async (r) => Buffer.concat(await r.readableStreamBody.toArray());
const refused = (promise, status, code) =>
  assert.rejects(promise, (e) => {
    assert.ok(e instanceof RestError, String(e));
    assert.deepEqual([e.statusCode, e.code ?? e.details?.errorCode], [status, code]);
    return true;
  });

const tests = {
  async 'uploads come back'() {
    for (const size of [0, 1, 5 << 20, 60 << 20]) {
      const data = crypto.randomBytes(size);
      const ways = {
        'single PUT': (b) => b.upload(data, size),
        'blocks, 4 at once': (b) => b.uploadData(data, { blockSize: 4 << 20, concurrency: 4, maxSingleShotSize: 1 << 20 }),
        stream: (b) => b.uploadStream(Readable.from(function* () { for (let i = 0; i < size; i += 1 << 16) yield data.subarray(i, i + (1 << 16)); }()), 4 << 20, 4),
      };
      for (const [how, upload] of Object.entries(ways)) {
        const b = container.getBlockBlobClient(`up/${how} ${size}`);
        assert.equal(await b.exists(), false);
        await upload(b);
        assert.equal(await b.exists(), true);
        assert.ok(data.equals(await text(await b.download())), how);
        const p = await b.getProperties();
        assert.equal(p.contentLength, size);
        assert.ok(crypto.createHash('md5').update(data).digest().equals(Buffer.from(p.contentMD5)));
        if (size === 0) continue;
        assert.ok(data.equals(await b.downloadToBuffer(0, undefined, { blockSize: 1 << 20, concurrency: 4 })), `${how}, to buffer`);
        const off = Math.floor(size / 3), n = Math.max(Math.floor(size / 2), 1);
        assert.ok(data.subarray(off, off + n).equals(await text(await b.download(off, n))), `${how}, range`);
      }
    }
  },
  async 'names of any kind'() {
    const names = ['folder/file.jpg', 'a b+c&d=e@f:g$h', 'pct%2Fx', 'a//b', '相册/图 片 🙂.jpg', 'q?x#y', `quote"'<>`, 'end/', ' lead and trail ', 'tab\tx', 'line\nx', 'bell\x07x'];
    for (const name of names) await container.getBlockBlobClient('names/' + name).upload(name, Buffer.byteLength(name));
    const listed = [];
    for await (const b of container.listBlobsFlat({ prefix: 'names/' })) listed.push(b.name.slice('names/'.length));
    assert.deepEqual(listed.sort(), [...names].sort());
    for (const name of names) assert.equal(String(await container.getBlockBlobClient('names/' + name).downloadToBuffer()), name);
  },
  async 'properties and metadata'() {
    const b = container.getBlockBlobClient('props.txt');
    await b.upload('0123456789', 10, {
      blobHTTPHeaders: { blobContentType: 'text/plain', blobCacheControl: 'max-age=60', blobContentLanguage: 'de', blobContentDisposition: 'attachment; filename="a.txt"' },
      metadata: { Colour: 'blue <&>', n_1: '1' },
    });
    const first = await b.getProperties();
    assert.deepEqual(first.metadata, { colour: 'blue <&>', n_1: '1' });
    assert.deepEqual([first.contentType, first.cacheControl, first.contentLanguage, first.contentDisposition],
      ['text/plain', 'max-age=60', 'de', 'attachment; filename="a.txt"']);
    const set = await b.setMetadata({ x: '2' });
    const second = await b.getProperties();
    assert.deepEqual(second.metadata, { x: '2' });
    assert.equal(second.etag, set.etag);
    assert.notEqual(second.etag, first.etag);
    await b.setHTTPHeaders({ blobContentType: 'text/css' });
    const third = await b.getProperties();
    assert.deepEqual([third.contentType, third.cacheControl, third.metadata], ['text/css', undefined, { x: '2' }]);
    for await (const item of container.listBlobsFlat({ prefix: 'props', includeMetadata: true })) {
      assert.deepEqual([item.metadata, item.properties.etag, item.properties.contentLength], [{ x: '2' }, third.etag.replaceAll('"', ''), 10]);
    }
  },
  async 'conditions and errors'() {
    const b = container.getBlockBlobClient('conditions');
    await b.upload('old', 3);
    const { etag } = await b.getProperties();
    await refused(b.download(0, undefined, { conditions: { ifNoneMatch: etag } }), 304, 'ConditionNotMet');
    await refused(b.download(0, undefined, { conditions: { ifMatch: '"0x1"' } }), 412, 'ConditionNotMet');
    await refused(b.upload('new', 3, { conditions: { ifNoneMatch: '*' } }), 409, 'BlobAlreadyExists');
    await refused(b.upload('new', 3, { conditions: { ifMatch: '"0x1"' } }), 412, 'ConditionNotMet');
    await refused(b.commitBlockList(['bm9uZQ==']), 400, 'InvalidBlockList');
    await refused(b.download(3), 416, 'InvalidRange');
    await refused(container.getProperties(), 403, 'AuthorizationPermissionMismatch');
    assert.equal(String(await b.downloadToBuffer()), 'old');
    const part = await b.download(1, 2, { rangeGetContentMD5: true });
    assert.equal(Buffer.from(part.contentMD5).toString('hex'), crypto.createHash('md5').update('ld').digest('hex'));
    await b.delete();
    await refused(b.download(), 404, 'BlobNotFound');
    await refused(b.delete(), 404, 'BlobNotFound');
    assert.equal((await b.deleteIfExists()).succeeded, false);
    assert.equal(await b.exists(), false);
  },
  async 'lists of 2,500 blobs'() {
    for (const size of [5000, 999, 7]) {
      let pages = 0, n = 0, last = '';
      for await (const page of many.listBlobsFlat().byPage({ maxPageSize: size })) {
        pages++;
        for (const b of page.segment.blobItems) {
          assert.ok(b.name > last, `${b.name} after ${last}`);
          last = b.name;
          n++;
        }
      }
      assert.deepEqual([n, pages], [2500, Math.ceil(2500 / size)]);
    }
    const prefixes = [];
    for await (const page of many.listBlobsByHierarchy('/').byPage({ maxPageSize: 7 })) prefixes.push(...(page.segment.blobPrefixes ?? []));
    assert.equal(new Set(prefixes.map((p) => p.name)).size, 50);
    let n = 0;
    for await (const item of many.listBlobsByHierarchy('/', { prefix: 'd07/' })) n += item.kind === 'blob';
    assert.equal(n, 50);
    for await (const item of many.listBlobsFlat({ prefix: 'none' })) assert.fail(item.name);
  },
};

for (const [name, test] of Object.entries(tests)) {
  await test();
  console.log('ok  ', name);
}

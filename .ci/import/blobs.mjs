// Makes 2,000 blobs in a container of Azurite, and looks whether another URL has the same:
//   node blobs.mjs make CONNECTION_STRING CONTAINER
//   node blobs.mjs check CONTAINER_URL_WITH_SAS
import { createHash } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';

const count = 2000;

// blob returns what the blob of a number has; the same each time.
function blob(i) {
  const parts = [];
  for (let n = 0, size = (i * 97) % 65536; n * 32 < size; n++) parts.push(createHash('sha256').update(`${i}-${n}`).digest());
  const folders = ['a', 'b/c', 'with blank', 'ümlaut/照片', "quote'&+=", 'per%20cent', 'hash#?'];
  return {
    name: `${folders[i % folders.length]}/${i}.${i % 3 ? 'jpg' : 'bin'}`,
    data: Buffer.concat(parts),
    type: i % 3 ? 'image/jpeg' : 'application/x-own',
    metadata: i % 4 ? {} : { number: String(i), text: 'kept as it is' },
  };
}

// all runs f for each number, 16 at once.
async function all(f) {
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next < count) await f(next++);
  }));
}

const [what, where, name] = process.argv.slice(2);
if (what === 'make') {
  const container = BlobServiceClient.fromConnectionString(where).getContainerClient(name);
  await container.createIfNotExists();
  await all(async (i) => {
    const b = blob(i);
    await container.getBlockBlobClient(b.name).uploadData(b.data, {
      blobHTTPHeaders: { blobContentType: b.type, blobCacheControl: i % 5 ? undefined : 'max-age=60' }, metadata: b.metadata,
    });
  });
  console.log(`made ${count} blobs`);
} else {
  const url = new URL(where);
  let bad = 0;
  await all(async (i) => {
    const b = blob(i);
    const path = b.name.split('/').map(encodeURIComponent).join('/');
    const resp = await fetch(`${url.origin}${url.pathname}/${path}${url.search}`);
    const data = Buffer.from(await resp.arrayBuffer());
    const whole = resp.status === 200 && data.equals(b.data) && resp.headers.get('content-type') === b.type
      && (resp.headers.get('x-ms-meta-number') ?? undefined) === b.metadata.number
      && (i % 5 !== 0 || resp.headers.get('cache-control') === 'max-age=60');
    if (!whole && bad++ < 10) console.log(`${b.name}: ${resp.status}, ${data.length} bytes of ${b.data.length}, ${resp.headers.get('content-type')}`);
  });
  console.log(`checked ${count} blobs, ${bad} bad`);
  process.exitCode = bad ? 1 : 0;
}

// BenchmarkCorpus's peer: sharp.cjs PICTURE ROUNDS OUT
// Makes the thumbnail of a picture in a warm loop, prints the median CPU ms and the process's peak MB, and leaves the last
// thumbnail in OUT.
const fs = require('node:fs');
const sharp = require('sharp');

const [picture, rounds, out] = process.argv.slice(2);
sharp.concurrency(1);
sharp.cache(false);

(async () => {
  const data = fs.readFileSync(picture);
  const cpu = [];
  let made;
  for (let i = -2; i < Number(rounds); i++) {
    const before = process.cpuUsage();
    made = await sharp(data)
      .resize({ width: 1024, height: 1024, fit: 'inside', withoutEnlargement: true })
      .jpeg({ quality: 80 })
      .toBuffer();
    const { user, system } = process.cpuUsage(before);
    if (i >= 0) cpu.push((user + system) / 1000);
  }
  fs.writeFileSync(out, made);
  cpu.sort((a, b) => a - b);
  console.log(cpu[cpu.length >> 1].toFixed(2), (process.resourceUsage().maxRSS / 1024).toFixed(1));
})();

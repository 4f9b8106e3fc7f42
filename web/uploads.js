// The files on their way to the server: they go on while another page is looked at.
import { api, Failure, send, session } from "./api.js";
import { forgetKept } from "./lists.js";
import { cell } from "./state.js";

const atOnce = 3;

// state: chosen, waiting, sending, done, failed
export const uploads = cell([]);
export const active = cell(0);

let count = 0;

function change(id, more) {
  uploads.set(uploads.get().map((u) => (u.id === id ? { ...u, ...more } : u)));
  const n = uploads.get().filter((u) => u.state === "waiting" || u.state === "sending").length;
  if (n !== active.get()) active.set(n);
}

export function addFiles(files) {
  const added = files.map((file) => ({ id: ++count, file, state: "chosen", preview: previewOf(file), sent: 0 }));
  uploads.set([...uploads.get(), ...added]);
}

const previewOf = (file) => (/^image\/(jpeg|png|gif|webp|bmp)$/.test(file.type) ? URL.createObjectURL(file) : null);

// where is {app, resource, ttl}.
export function start(where) {
  for (const u of uploads.get()) if (u.state === "chosen") change(u.id, { state: "waiting", where });
  next();
}

export function retry(id) {
  change(id, { state: "waiting", error: null, sent: 0 });
  next();
}

export function discard(id) {
  const u = uploads.get().find((each) => each.id === id);
  u.abort?.();
  if (u.preview) URL.revokeObjectURL(u.preview);
  uploads.set(uploads.get().filter((each) => each !== u));
  change(0, {});
  next();
}

export function discardDone() {
  for (const u of uploads.get()) if (u.state === "done") discard(u.id);
}

function next() {
  const all = uploads.get();
  let free = atOnce - all.filter((u) => u.state === "sending").length;
  for (const u of all) {
    if (free <= 0) return;
    if (u.state !== "waiting") continue;
    free--;
    change(u.id, { state: "sending" });
    upload(u);
  }
}

async function upload({ id, file, where }) {
  try {
    if (file.size > session.get().max_upload) throw new Failure("too_large", "");
    const { answer, abort } = send("/pictures", { app: where.app, resource: where.resource, ttl: where.ttl },
      file, "application/octet-stream", (sent) => change(id, { sent }));
    change(id, { abort });
    const picture = await answer;
    forgetKept();
    if (session.get()?.empty) session.set({ ...session.get(), empty: false });
    change(id, { state: "done", picture, link: await linkTo(picture) });
  } catch (error) {
    if (error.name !== "AbortError") change(id, { state: "failed", error });
  }
  next();
}

// A link that cannot be made now can be later, on the picture's page.
async function linkTo(picture) {
  try {
    return await api.sign({ name: picture.name });
  } catch {
    return null;
  }
}

addEventListener("beforeunload", (event) => active.get() > 0 && event.preventDefault());

// What pages are made of: frame, states, messages, icons, names, thumbnails, text to copy.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { api, thumbnailURL } from "../api.js";
import { t, tOr } from "../i18n.js";
import { useLoad } from "../lists.js";
import { hasMoved } from "../router.js";
import { cell } from "../state.js";

export function Page({ title, heading, note, actions, back, children, wide }) {
  const h1 = useRef(null);
  useEffect(() => {
    document.title = `${title} · tintype`;
  }, [title]);
  useEffect(() => {
    if (hasMoved()) h1.current.focus({ preventScroll: true });
  }, []);
  return html`
    <div class=${wide ? "page wide" : "page"}>
      <header class="page-head">
        <div>
          ${back}
          <h1 ref=${h1} tabindex="-1">${heading ?? title}</h1>
          ${note && html`<p class="note">${note}</p>`}
        </div>
        ${actions}
      </header>
      ${children}
    </div>`;
}

export const toHeading = () =>
  setTimeout(() => document.activeElement === document.body && document.querySelector("h1")?.focus({ preventScroll: true }));

export const Loading = ({ label }) => html`
  <p class="loading" role="status"><span class="spinner"></span>${label ?? t("state.loading")}</p>`;

export const Empty = ({ icon, title, children }) => html`
  <div class="empty"><span class="empty-mark"><${Icon} of=${icon} /></span><h2>${title}</h2>${children}</div>`;

export const reason = (error) => tOr(`error.${error.code}`, t("error.internal"));

// Failed tells the kind of an error in the reader's language, the rest in the server's.
export const Failed = ({ error, retry }) => html`
  <div class="failed" role="alert">
    <${Icon} of="warn" />
    <div>
      <strong>${reason(error)}</strong>
      ${error.message && html`<p class="detail" lang="en" dir="auto">${error.message}</p>`}
      ${retry && html`<button type="button" onClick=${retry}>${t("state.retry")}</button>`}
    </div>
  </div>`;

export const Loaded = ({ from, children }) => html`
  ${from.error && html`<${Failed} error=${from.error} retry=${from.reload} />`}
  ${from.data !== undefined ? children(from.data) : !from.error && html`<${Loading} />`}`;

const messages = cell([]);
let count = 0;

// action is {label, run}; kind "bad" is for what went wrong.
export const say = (text, more) => messages.set([...messages.get().filter((m) => m.text !== text).slice(-2), { id: ++count, text, ...more }]);

const drop = (id) => messages.set(messages.get().filter((m) => m.id !== id));

// A message stays as long as somebody is at it.
function Toast({ id, text, kind, action }) {
  const [held, hold] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => drop(id), action || kind ? 12000 : 5000);
    return () => clearTimeout(timer);
  }, [held]);
  const run = () => {
    drop(id);
    action.run();
  };
  return html`
    <div class="toast ${kind ?? ""}" onMouseEnter=${() => hold(true)} onMouseLeave=${() => hold(false)} onfocusin=${() => hold(true)} onfocusout=${() => hold(false)}>
      <span>${text}</span>
      ${action && html`<button type="button" onClick=${run}>${action.label}</button>`}
      <button type="button" class="bare" aria-label=${t("action.close")} onClick=${() => drop(id)}><${Icon} of="cross" /></button>
    </div>`;
}

export const Toasts = () => html`
  <div class="toasts" role="status">${messages.use().map((message) => html`<${Toast} key=${message.id} ...${message} />`)}</div>`;

export const UploadButton = () => html`<a class="button primary" href="#/upload"><${Icon} of="upload" />${t("nav.upload")}</a>`;

const drawings = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  pictures: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01",
  upload: "M12 16V5M7 9.5 12 4.5l5 5M4 15v5h16v-5",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  apps: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 16.5h7M16.5 13v7",
  links: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  activity: "M3 12h4l3-7 4 14 3-7h4",
  snippets: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  menu: "M4 7h16M4 12h16M4 17h16",
  cross: "M6 6l12 12M18 6 6 18",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.5 4.5",
  grid: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  copy: "M8 8h12v12H8zM16 8V4H4v12h4",
  check: "M5 12.5 10 17.5 19 7",
  warn: "M12 4 2.5 20h19zM12 10v5M12 17.5h.01",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  back: "M19 12H5M11 6l-6 6 6 6",
  forward: "M5 12h14M13 6l6 6-6 6",
  download: "M12 4v11M7 10.5l5 5 5-5M4 19.5h16",
  restore: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5",
};

export const Icon = ({ of }) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${drawings[of]} /></svg>`;

// Names come from strangers: what cannot be seen, or turns the writing, is spelled out.
const unseen = /([\p{Cc}\p{Cf}\u2028\u2029])/u;
const spelled = (c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

export const plain = (name) => name.split(unseen).map((part, i) => (i % 2 ? `[${spelled(part)}]` : part)).join("");

export const Name = ({ of, id }) => html`
  <bdi class="name" dir="auto" id=${id}>${of.split(unseen).map((part, i) => (i % 2 ? html`<span class="unseen">${spelled(part)}</span>` : part))}</bdi>`;

export const last = (name) => name.slice(name.lastIndexOf("/") + 1) || name;
export const container = (name) => name.slice(0, Math.max(0, name.indexOf("/")));

// What is no picture, or cannot be drawn, is shown as a file of its type.
export function Thumbnail({ picture: p, size = 256 }) {
  const [failed, fail] = useState(false);
  if (failed || (p.width ?? 1) === 0) {
    return html`<span class="no-picture"><${Icon} of="file" /><span>${p.type.replace(/^.*\/(x-)?|;.*/g, "").slice(0, 12)}</span></span>`;
  }
  return html`<img src=${thumbnailURL(p.name, size)} alt="" loading="lazy" decoding="async" width=${size} height=${size} onError=${() => fail(true)} />`;
}

// Stored is the thumbnail of a picture that may have gone since the event that names it.
export function Stored({ name }) {
  const tier = /^cache\d+\//.test(name) ? "cache" : "durable";
  const found = useLoad((signal) => api.pictures({ prefix: name, tier, limit: 1 }, signal));
  const picture = found.data?.pictures.find((p) => p.name === name);
  return found.data && html`<${Thumbnail} picture=${picture ?? { width: 0, type: "" }} />`;
}

// On a page that did not come over TLS browsers have but the old way.
async function copy(text) {
  try {
    return await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "quiet";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("copy");
  }
}

export function CopyButton({ text, label }) {
  const [done, set] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => set(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const click = () => copy(text).then(() => {
    set(true);
    say(t("copy.done"));
  }, () => say(t("copy.failed"), { kind: "bad" }));
  return html`<button type="button" onClick=${click}><${Icon} of=${done ? "check" : "copy"} />${label ?? t("action.copy")}</button>`;
}

export const Code = ({ text, label }) => html`
  <div class="code">
    <pre tabindex="0" role="group" aria-label=${label}><code>${text}</code></pre>
    <${CopyButton} text=${text} />
  </div>`;

// Links: to pictures, tokens for containers, and why one works or not.
import { html, useState } from "../vendor/preact.js";
import { api } from "../api.js";
import { moment, t, time } from "../i18n.js";
import { inTurn } from "../lists.js";
import { remember, remembered } from "../state.js";
import { Choice, ContainerInput, Field, Input, Segments } from "../parts/form.js";
import { Code, Failed, Icon, last, Page, plain } from "../parts/page.js";

export const lives = [1800, 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400].map((s) => [String(s), s]);
export const lifeOptions = () => lives.map(([value, s]) => [value, time(s)]);

// Without a time, the API takes its own.
export const rfc = (at) => (at ? new Date(at).toISOString().replace(/\.\d+/, "") : undefined);

const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// The name of a picture is a stranger's text in all of these.
const forms = {
  URL: (url) => url,
  HTML: (url, name) => `<img src="${escaped(url)}" alt="${escaped(name)}">`,
  Markdown: (url, name) => `![${name.replace(/[\\[\]`*_<>!]/g, "\\$&")}](<${url}>)`,
  curl: (url, name) => `curl -o ${quoted(name)} ${quoted(url)}`,
};

export const Until = ({ links }) => {
  const ends = links.map((link) => link.expiry).filter(Boolean).sort()[0];
  return html`<p class="note">${ends ? t("links.until", { time: moment(ends) }) : t("links.always")}</p>`;
};

export function LinkMaker({ pictures }) {
  const [life, live] = useState(remembered("life") ?? lives[1][0]);
  const [form, shape] = useState(remembered("form") in forms ? remembered("form") : "URL");
  const [made, set] = useState(null);
  const open = pictures.every((p) => p.public);
  async function make() {
    const expiry = open ? undefined : rfc(Date.now() + life * 1000);
    const results = await inTurn(pictures, ({ name }) => api.sign({ name, expiry }));
    set({ links: results.filter((r) => r.value).map((r) => ({ name: r.item.name, ...r.value })), error: results.find((r) => r.error)?.error });
  }
  return html`
    <div class="linkmaker">
      <div class="bar low">
        ${!open && html`<${Choice} label=${t("links.life")} value=${life} options=${lifeOptions()} onChoose=${(value) => { live(value); remember("life", value); set(null); }} />`}
        <button type="button" class="primary" onClick=${make}>${pictures.length > 1 ? t("links.makeN", { n: pictures.length }) : t("links.make")}</button>
      </div>
      <div role="status">
        ${made?.error && html`<${Failed} error=${made.error} />`}
        ${made?.links.length > 0 && html`
          <${Segments} label=${t("links.form")} value=${form} options=${Object.keys(forms).map((name) => [name, name])} onChoose=${(name) => { shape(name); remember("form", name); }} />
          <${Code} text=${made.links.map(({ name, url }) => forms[form](url, plain(last(name)))).join("\n")} label=${form} />
          <${Until} links=${made.links} />`}
      </div>
    </div>`;
}

const permissions = [..."racwdl"];

function Form({ title, text, button, run, show, children }) {
  const [state, set] = useState({});
  async function submit(event) {
    event.preventDefault();
    set({});
    run().then((answer) => set({ answer }), (error) => set({ error }));
  }
  return html`
    <section class="card">
      <h2>${title}</h2>
      <p class="note">${text}</p>
      <form onSubmit=${submit}>${children}<button class="primary">${button}</button></form>
      <div class="rows" role="status">${state.error && html`<${Failed} error=${state.error} />`}${state.answer && show(state.answer)}</div>
    </section>`;
}

const Made = (link) => html`
  <${Code} text=${link.url} label=${t("links.url")} />
  ${link.token && html`<h3>${t("links.token")}</h3><${Code} text=${link.token} label=${t("links.token")} />`}
  <${Until} links=${[link]} />`;

function Make({ about }) {
  const [form, set] = useState({ name: about ?? "", allowed: "r", start: "", life: lives[1][0], end: "" });
  const write = (change) => set({ ...form, ...change });
  const toggle = (letter) => write({ allowed: permissions.filter((p) => form.allowed.includes(p) !== (p === letter)).join("") });
  const run = () => api.sign({
    name: form.name.includes("/") ? form.name.trim() : `${form.name.trim()}/`, // without a slash it can only be a container
    permissions: form.allowed,
    start: rfc(form.start),
    expiry: rfc(form.life === "at" ? form.end : (form.start ? +new Date(form.start) : Date.now()) + form.life * 1000),
  });
  return html`
    <${Form} title=${t("links.make")} text=${t("links.makeText")} button=${t("links.make")} run=${run} show=${Made}>
      <${Field} label=${t("links.name")}>${(own) => html`<${ContainerInput} ...${own} end="/" required value=${form.name} onInput=${(event) => write({ name: event.target.value })} />`}<//>
      <fieldset>
        <legend>${t("links.permissions")}</legend>
        <div class="bar">${permissions.map((p) => html`<label key=${p} class="check"><input type="checkbox" checked=${form.allowed.includes(p)} onChange=${() => toggle(p)} />${t(`permission.${p}`)} <code>${p}</code></label>`)}</div>
      </fieldset>
      <div class="pair">
        <${Input} label=${t("links.start")} hint=${t("links.now")} type="datetime-local" value=${form.start} onInput=${(event) => write({ start: event.target.value })} />
        <${Choice} label=${t("links.life")} value=${form.life} options=${[...lifeOptions(), ["at", t("links.date")]]} onChoose=${(life) => write({ life })} />
        ${form.life === "at" && html`<${Input} label=${t("picture.expires")} type="datetime-local" required value=${form.end} onInput=${(event) => write({ end: event.target.value })} />`}
      </div>
    <//>`;
}

const Verdict = (e) => html`
  <p class="banner ${e.valid ? "good" : "bad"}"><${Icon} of=${e.valid ? "check" : "cross"} /><strong>${e.valid ? t("explain.valid") : t("explain.invalid")}</strong></p>
  <ul class="findings">
    ${e.findings.map((f, i) => html`
      <li key=${i} class=${f.ok ? "good" : "bad"}>
        <${Icon} of=${f.ok ? "check" : "cross"} /><span class="quiet">${f.ok ? t("explain.ok") : t("explain.fails")}</span>
        <span lang="en" dir="auto"><strong>${f.name}</strong> ${f.text}</span>
      </li>`)}
  </ul>
  <dl class="facts">
    ${e.resource && html`<div><dt>${t("upload.resource")}</dt><dd><bdi class="mono">${e.resource}</bdi></dd></div>`}
    ${e.permissions && html`<div><dt>${t("links.permissions")}</dt><dd class="mono">${e.permissions}</dd></div>`}
    <div><dt>${t("explain.answer")}</dt><dd lang="en">${e.answer}</dd></div>
  </dl>
  ${e.string_to_sign && html`<h3>${t("explain.string")}</h3><${Code} text=${e.string_to_sign} label=${t("explain.string")} />`}`;

function Explain() {
  const [form, set] = useState({ url: "", at: "", ip: "" });
  const write = (name) => (event) => set({ ...form, [name]: event.target.value });
  const run = () => api.explain({ url: form.url.trim(), at: rfc(form.at), ip: form.ip.trim() || undefined });
  return html`
    <${Form} title=${t("explain.title")} text=${t("explain.text")} button=${t("explain.button")} run=${run} show=${Verdict}>
      <${Field} label=${t("links.url")}>${(own) => html`<textarea ...${own} class="mono" rows="3" required spellcheck=${false} value=${form.url} onInput=${write("url")}></textarea>`}<//>
      <details>
        <summary>${t("explain.more")}</summary>
        <div class="pair">
          <${Input} label=${t("explain.at")} hint=${t("links.now")} type="datetime-local" value=${form.at} onInput=${write("at")} />
          <${Input} label=${t("explain.ip")} value=${form.ip} onInput=${write("ip")} />
        </div>
      </details>
    <//>`;
}

export const Links = ({ query }) => html`
  <${Page} wide title=${t("nav.links")}><div class="halves"><${Make} about=${query.get("for")} /><${Explain} /></div><//>`;

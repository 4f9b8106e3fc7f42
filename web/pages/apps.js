// Applications: their keys, secrets, limits and use.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { api } from "../api.js";
import { date, number, percent, size, t } from "../i18n.js";
import { useLoad } from "../lists.js";
import { href } from "../router.js";
import { cell } from "../state.js";
import { Ask, Field, Input, useId } from "../parts/form.js";
import { Code, Empty, Icon, Loaded, Page, reason, say } from "../parts/page.js";

// The new secret is shown until somebody says that they have it.
const told = cell(null);

function Secret() {
  const secret = told.use();
  const heading = useRef(null);
  useEffect(() => {
    if (!secret) return;
    heading.current.focus();
    const stay = (event) => event.preventDefault();
    addEventListener("beforeunload", stay);
    return () => removeEventListener("beforeunload", stay);
  }, [secret]);
  return secret && html`
    <section class="card told">
      <h2 tabindex="-1" ref=${heading}>${t("apps.secretOf", { key: html`<bdi>${secret.key}</bdi>` })}</h2>
      <p>${t("apps.once")}</p>
      <${Code} text=${secret.secret} label=${t("apps.secret")} />
      <button type="button" class="primary" onClick=${() => told.set(null)}><${Icon} of="check" />${t("apps.haveIt")}</button>
    </section>`;
}

function Use({ label, used, limit, show }) {
  const part = limit && used / limit;
  return html`
    <div>
      <p class="bar"><span class="note">${label}</span><span class="fill"></span>${limit > 0 ? t("apps.of", { used: show(used), limit: show(limit), part: percent(part) }) : show(used)}</p>
      ${limit > 0 && html`<meter low="0.8" high="0.95" optimum="0" value=${part} aria-label=${label}></meter>`}
    </div>`;
}

const megabyte = 1 << 20;
const linesOf = (text) => text.split(/[\s,]+/).filter(Boolean);

function Limits({ app, title, onClose, done }) {
  const [form, set] = useState({
    megabytes: app.max_bytes / megabyte || "",
    files: app.max_pictures || "",
    origins: app.origins.join("\n"),
    accounts: app.accounts.join("\n"),
  });
  const field = (name) => ({ value: form[name], onInput: (event) => set({ ...form, [name]: event.target.value }) });
  const save = () => done(() => api.changeApp(app.key, {
    max_bytes: Math.round(form.megabytes * megabyte),
    max_pictures: Number(form.files),
    origins: linesOf(form.origins),
    accounts: linesOf(form.accounts),
  }));
  const lines = (name, label, hint) => html`
    <${Field} label=${label} hint=${hint}>${(own) => html`<textarea ...${own} rows="3" spellcheck=${false} ...${field(name)}></textarea>`}<//>`;
  return html`
    <${Ask} title=${title} button=${t("action.save")} run=${save} onClose=${onClose}>
      <div class="pair">
        <${Input} label=${t("apps.maxBytes")} hint=${t("apps.noLimit")} type="number" min="0" step="any" ...${field("megabytes")} />
        <${Input} label=${t("apps.maxFiles")} hint=${t("apps.noLimit")} type="number" min="0" ...${field("files")} />
      </div>
      ${lines("origins", t("apps.origins"), t("apps.originsHint"))}
      ${lines("accounts", t("apps.accounts"), t("apps.accountsHint"))}
    <//>`;
}

const actions = {
  rotate: { name: () => t("apps.rotate"), text: (app) => (app.secrets > 1 ? t("apps.rotateThird") : t("apps.rotateText")), run: async (key) => told.set(await api.rotateApp(key)) },
  end: { name: () => t("apps.end"), text: () => t("apps.endText"), run: api.endPrevious, danger: true },
  disable: { name: () => t("apps.disable"), text: () => t("apps.disableText"), run: (key) => api.changeApp(key, { disabled: true }), danger: true },
  remove: { name: () => t("apps.remove"), text: () => t("apps.removeText"), run: api.removeApp, danger: true, typed: true },
};

function Asked({ app, of, onClose, done }) {
  const { name, text, run, danger, typed } = actions[of];
  const [key, type] = useState("");
  return html`
    <${Ask} danger=${danger} title="${name()} · ${app.key}" button=${name()} allowed=${!typed || key === app.key} run=${() => done(() => run(app.key))} onClose=${onClose}>
      <p>${text(app)}</p>
      ${typed && html`<${Input} label=${t("apps.type", { key: html`<bdi class="mono">${app.key}</bdi>` })} value=${key} onInput=${(event) => type(event.target.value)} />`}
    <//>`;
}

function App({ app, changed }) {
  const [asked, ask] = useState("");
  const id = useId();
  const done = async (run) => {
    await run();
    say(t("state.done"));
    changed();
  };
  const enable = () => done(() => api.changeApp(app.key, { disabled: false })).catch((error) => say(reason(error), { kind: "bad" }));
  const close = () => ask("");
  const button = (name, text, run = () => ask(name)) => html`<button type="button" class=${name === "remove" ? "danger" : ""} aria-describedby=${id} onClick=${run}>${text}</button>`;
  const chips = (values) => values.map((v) => html`<bdi class="chip" key=${v}>${v}</bdi> `);
  const facts = [[t("picture.created"), app.created && date(app.created)], [t("apps.origins"), app.origins.length > 0 && chips(app.origins)], [t("apps.accounts"), app.accounts.length > 0 && chips(app.accounts)]];
  return html`
    <li class="card">
      <div class="bar">
        <h2 id=${id} class="mono"><bdi>${app.key}</bdi></h2>
        ${app.disabled && html`<span class="chip bad">${t("apps.disabled")}</span>`}
        ${app.secrets > 1 && html`<span class="chip warn">${t("apps.two")}</span>`}
        <span class="fill"></span>
        <a href=${href("pictures", { app: app.key })} aria-describedby=${id}>${t("nav.pictures")}</a>
      </div>
      <div class="hours">
        <${Use} label=${t("apps.bytes")} used=${app.bytes} limit=${app.max_bytes} show=${size} />
        <${Use} label=${t("apps.files")} used=${app.pictures} limit=${app.max_pictures} show=${number} />
      </div>
      <dl class="facts">${facts.map(([name, value]) => value && html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
      ${app.fixed ? html`<p class="note">${t("apps.fixed", { flag: html`<code>--app</code>` })}</p>` : html`
        <div class="actions">
          ${button("limits", t("apps.limits"))}${button("rotate", t("apps.rotate"))}
          ${app.secrets > 1 && button("end", t("apps.end"))}
          ${app.disabled ? button("enable", t("apps.enable"), enable) : button("disable", t("apps.disable"))}
          ${button("remove", t("apps.remove"))}
        </div>`}
      ${asked === "limits" && html`<${Limits} title="${t("apps.limits")} · ${app.key}" app=${app} onClose=${close} done=${done} />`}
      ${actions[asked] && html`<${Asked} app=${app} of=${asked} onClose=${close} done=${done} />`}
    </li>`;
}

function Create({ onClose, changed }) {
  const [key, write] = useState("");
  const create = async () => {
    told.set(await api.addApp(key.trim()));
    changed();
  };
  return html`
    <${Ask} title=${t("apps.create")} button=${t("apps.create")} run=${create} onClose=${onClose}>
      <${Input} label=${t("apps.key")} hint=${t("apps.keyHint")} value=${key} onInput=${(event) => write(event.target.value)} />
    <//>`;
}

export function Apps() {
  const apps = useLoad((signal) => api.apps(signal));
  const [creating, create] = useState(false);
  const button = html`<button type="button" class="primary" onClick=${() => create(true)}>${t("apps.create")}</button>`;
  return html`
    <${Page} title=${t("nav.apps")} note=${t("apps.note")} actions=${button}>
      <${Secret} />
      <${Loaded} from=${apps}>
        ${({ apps: list }) => list.length === 0
          ? html`<${Empty} icon="apps" title=${t("apps.none")}><p>${t("apps.noneText")}</p><//>`
          : html`<ul class="rows">${list.map((app) => html`<${App} key=${app.key} app=${app} changed=${apps.reload} />`)}</ul>`}
      <//>
      ${creating && html`<${Create} onClose=${() => create(false)} changed=${apps.reload} />`}
    <//>`;
}

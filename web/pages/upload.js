// Upload: choose, drop or paste files, and say where they go.
import { html, useRef, useState } from "../vendor/preact.js";
import { api, session } from "../api.js";
import { percent, size, t, time } from "../i18n.js";
import { useLoad } from "../lists.js";
import { href } from "../router.js";
import { remember, remembered } from "../state.js";
import { addFiles, discard, discardDone, retry, start, uploads } from "../uploads.js";
import { Choice, Input } from "../parts/form.js";
import { CopyButton, Empty, Failed, Icon, Loaded, Name, Page, plain, Thumbnail } from "../parts/page.js";
import { Until } from "./links.js";

const times = [3600, 86400, 7 * 86400, 30 * 86400];
const pattern = "[A-Za-z0-9\\-]+(/[A-Za-z0-9\\-]+)*";

function Row({ upload: { id, file, state, sent, preview, picture, link, error } }) {
  const name = plain(file.name);
  const said = { waiting: t("upload.waiting"), sending: sent < 1 ? percent(sent) : t("upload.storing"), done: t("upload.done") }[state];
  return html`
    <li class="row">
      <span class="plate small">${picture ? html`<${Thumbnail} picture=${picture} />` : preview ? html`<img src=${preview} alt="" onError=${(event) => (event.target.style.opacity = 0)} />` : html`<${Icon} of="file" />`}</span>
      <div class="row-text">
        ${picture ? html`<a href=${href("picture", { name: picture.name })}><${Name} of=${file.name} /></a>` : html`<${Name} of=${file.name} />`}
        <p class="note">${size(file.size)}${said && ` · ${said}`}</p>
        ${state === "sending" && html`<progress value=${sent} aria-label=${name}></progress>`}
        ${error && html`<${Failed} error=${error} retry=${() => retry(id)} />`}
        ${link && html`<a class="mono" href=${link.url} target="_blank" rel="noreferrer">${link.url}</a><${Until} links=${[link]} />`}
      </div>
      <div class="actions">
        ${link && html`<${CopyButton} text=${link.url} label=${t("upload.copyLink")} />`}
        <button type="button" class="bare" aria-label=${t("upload.remove", { name })} onClick=${() => discard(id)}><${Icon} of="cross" /></button>
      </div>
    </li>`;
}

function Where({ apps, where, set }) {
  const kind = (name, title, text) => html`
    <label class="option"><input type="radio" name="where" checked=${where.kind === name} onChange=${() => set({ kind: name })} /><span><strong>${title}</strong><br />${text}</span></label>`;
  const container = `${where.app}-picture-${(where.resource || "1/bb2c").replaceAll("/", "-")}`.toLowerCase();
  return html`
    <${Choice} label=${t("picture.app")} value=${where.app} options=${apps.map(({ key }) => [key, key])} onChoose=${(app) => set({ app })} />
    <fieldset class="rows">
      <legend>${t("upload.where")}</legend>
      ${kind("stays", t("upload.stays"), t("upload.staysText"))}
      ${kind("time", t("upload.time"), t("upload.timeText"))}
      ${kind("container", t("upload.container"), t("upload.containerText"))}
    </fieldset>
    ${where.kind === "time" && html`<${Choice} label=${t("links.life")} value=${String(where.ttl)} options=${times.map((s) => [String(s), time(s)])} onChoose=${(ttl) => set({ ttl: +ttl })} />`}
    ${where.kind === "container" && html`
      <${Input} label=${t("upload.resource")} value=${where.resource} required pattern=${pattern} placeholder="1/bb2c" hint=${html`<code>${container}</code>`} onInput=${(event) => set({ resource: event.target.value })} />`}`;
}

function Form({ apps }) {
  const all = uploads.use();
  const input = useRef(null);
  const [where, change] = useState(() => {
    const known = JSON.parse(remembered("upload")) ?? {};
    return { kind: "stays", ttl: times[1], resource: "", ...known, app: apps.some(({ key }) => key === known.app) ? known.app : apps[0].key };
  });
  const set = (more) => {
    const next = { ...where, ...more };
    change(next);
    remember("upload", JSON.stringify(next));
  };
  const chosen = all.filter((u) => u.state === "chosen").length;
  const done = all.filter((u) => u.state === "done");
  const links = done.filter((u) => u.link).map((u) => u.link.url);
  const { kind, app, ttl, resource } = where;
  const submit = (event) => {
    event.preventDefault();
    start({ app, ...(kind === "time" && { ttl }), ...(kind === "container" && { resource }) });
  };
  const choose = (event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`
    <div class="halves">
      <section class="card">
        <div class="drop">
          <${Icon} of="upload" />
          <strong>${t("upload.drop")}</strong>
          <p class="note">${t("upload.paste", { size: size(session.get().max_upload) })}</p>
          <input ref=${input} class="quiet" type="file" multiple tabindex="-1" aria-label=${t("upload.choose")} onChange=${choose} />
          <button type="button" class=${chosen ? "" : "primary"} onClick=${() => input.current.click()}>${t("upload.choose")}</button>
        </div>
      </section>
      <form class="card" onSubmit=${submit}>
        <${Where} apps=${apps} where=${where} set=${set} />
        <button class="primary" disabled=${!chosen}>${chosen ? t("upload.start", { n: chosen }) : t("nav.upload")}</button>
      </form>
    </div>
    ${all.length > 0 && html`
      <section class="rows">
        <div class="bar">
          <h2><span role="status">${t("upload.status", { done: done.length, n: all.length })}</span></h2>
          <span class="fill"></span>
          ${links.length > 1 && html`<${CopyButton} text=${links.join("\n")} label=${t("upload.copyAll")} />`}
          ${done.length > 0 && html`<button type="button" onClick=${discardDone}>${t("upload.clear")}</button>`}
        </div>
        <ul class="rows">${all.map((u) => html`<${Row} key=${u.id} upload=${u} />`)}</ul>
      </section>`}`;
}

export function Upload() {
  const apps = useLoad(async (signal) => (await api.apps(signal)).apps.filter((app) => !app.disabled));
  return html`
    <${Page} title=${t("nav.upload")}>
      <${Loaded} from=${apps}>
        ${(list) => list.length > 0 ? html`<${Form} apps=${list} />` : html`
          <${Empty} icon="apps" title=${t("apps.none")}><p>${t("apps.noneText")}</p><a class="button primary" href="#/apps">${t("nav.apps")}</a><//>`}
      <//>
    <//>`;
}

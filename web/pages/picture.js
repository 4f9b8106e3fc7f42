// One picture: what it is, links to it, and its end.
import { html, useState } from "../vendor/preact.js";
import { api, contentURL, thumbnailURL } from "../api.js";
import { exactly, number, sides, size, t, time } from "../i18n.js";
import { keptPictures, keptQuery, useLoad, useNow } from "../lists.js";
import { go, href } from "../router.js";
import { removePictures } from "../parts/many.js";
import { container, CopyButton, Icon, last, Loaded, Name, Page, plain } from "../parts/page.js";
import { LinkMaker } from "./links.js";
import { DeletePictures } from "./pictures.js";

// Up to this size, in bytes, a picture is shown itself: it may move.
const small = 3 << 20;

function Preview({ picture: { name, type, size, width, height } }) {
  const [failed, fail] = useState(width === 0);
  if (failed) return html`<div class="preview none"><${Icon} of="file" /><p>${t("picture.noPreview")}</p></div>`;
  const itself = /^image\/(jpeg|png|gif|webp|bmp)$/.test(type) && size <= small;
  return html`
    <div class="preview">
      <img src=${itself ? contentURL(name) : thumbnailURL(name, 1024)} alt=${plain(last(name))} onError=${() => fail(true)}
        style=${{ aspectRatio: `${width} / ${height}`, width: `min(100%, ${width}px, calc(68vh * ${width / height}))` }} />
    </div>`;
}

function Countdown({ until }) {
  const left = (new Date(until) - useNow(1)) / 1000;
  return html`${exactly(until)} <span class=${left < 3600 ? "chip warn" : "chip"}>${left > 0 ? t("picture.left", { time: time(left) }) : t("picture.over")}</span>`;
}

const Facts = ({ title, rows, lang }) => html`
  <section class="card">
    <h2>${title}</h2>
    <dl class="facts">${rows.map(([name, value], i) => value && html`<div key=${i}><dt lang=${lang} dir="auto">${name}</dt><dd>${value}</dd></div>`)}</dl>
  </section>`;

function Details({ picture: p }) {
  const tier = p.tier === "cache" && "cache";
  const pictures = (query, text) => html`<a href=${href("pictures", { ...query, tier })}><${Name} of=${text} /></a>`;
  return html`<${Facts} title=${t("picture.details")} rows=${[
    [t("picture.sides"), p.width > 0 && sides(p)],
    [t("picture.size"), html`<span title=${number(p.size)}>${size(p.size)}</span>`],
    [t("picture.type"), p.type],
    [t("picture.container"), pictures({ container: container(p.name) }, container(p.name))],
    [t("picture.app"), p.app && pictures({ app: p.app }, p.app)],
    [t("picture.tier"), tier ? t("tier.cache") : t("tier.durable")],
    [t("picture.created"), exactly(p.created)],
    [t("picture.modified"), p.modified !== p.created && exactly(p.modified)],
    [t("picture.expires"), p.expires && html`<${Countdown} until=${p.expires} />`],
    [t("picture.fileID"), p.file_id && html`<bdi class="mono">${p.file_id}</bdi>`],
    ["SHA-256", html`<span class="mono">${p.digest}</span> <${CopyButton} text=${p.digest} />`],
  ]} />`;
}

const Download = ({ name }) => html`<a class="button" href=${contentURL(name)} download=${last(name)}><${Icon} of="download" />${t("action.download")}</a>`;

const Variants = ({ variants }) => html`
  <section class="card">
    <h2>${t("picture.variants")}</h2>
    <ul class="rows">
      ${variants.map((v) => html`
        <li class="bar" key=${v.name}>
          <span><${Name} of=${last(v.name)} /><br /><span class="note">${sides(v)} · ${size(v.size)} · ${v.type}</span></span>
          <span class="fill"></span><${Download} name=${v.name} />
        </li>`)}
    </ul>
  </section>`;

function Beside({ name }) {
  const all = keptPictures();
  const i = all.findIndex((p) => p.name === name);
  const link = (to, icon, text) => to && html`<a class="button" href=${href("picture", { name: to.name })} aria-label=${text} title=${text}><${Icon} of=${icon} /></a>`;
  return i >= 0 && html`${link(all[i - 1], "back", t("picture.before"))}${link(all[i + 1], "forward", t("picture.after"))}`;
}

const named = (pairs) => pairs.map(([name, value]) => [html`<${Name} of=${name} />`, html`<${Name} of=${value} />`]);

function Content({ picture: p }) {
  const [asked, ask] = useState(false);
  const remove = async () => {
    const names = await removePictures([p], () => go("picture", { name: p.name }));
    if (names.size > 0) location.hash = `#/pictures${keptQuery()}`;
  };
  const metadata = Object.entries(p.metadata ?? {});
  return html`
    <div class="picture">
      <div>
        <${Preview} picture=${p} />
        <div class="bar">
          <${Download} name=${p.name} /><${Beside} name=${p.name} />
          <span class="fill"></span>
          <button type="button" class="danger" onClick=${() => (p.tier === "cache" ? ask(true) : remove())}><${Icon} of="trash" />${t("action.delete")}</button>
        </div>
        <section class="card"><h2>${t("nav.links")}</h2><${LinkMaker} pictures=${[p]} /></section>
        ${p.variants?.length > 0 && html`<${Variants} variants=${p.variants} />`}
      </div>
      <div>
        <${Details} picture=${p} />
        ${p.exif?.length > 0 && html`<${Facts} title="EXIF" lang="en" rows=${named(p.exif.map((e) => [e.tag, e.value]))} />`}
        ${metadata.length > 0 && html`<${Facts} title=${t("picture.metadata")} rows=${named(metadata)} />`}
      </div>
    </div>
    ${asked && html`<${DeletePictures} pictures=${[p]} run=${remove} onClose=${() => ask(false)} />`}`;
}

export function Picture({ query }) {
  const name = query.get("name") ?? "";
  const picture = useLoad((signal) => api.picture(name, signal), name);
  const back = html`<a class="back" href="#/pictures${keptQuery()}"><${Icon} of="back" />${t("nav.pictures")}</a>`;
  return html`
    <${Page} wide title=${plain(last(name))} heading=${html`<${Name} of=${last(name)} />`} note=${html`<${Name} of=${name} />`} back=${back}>
      <${Loaded} from=${picture}>${(p) => html`<${Content} picture=${p} />`}<//>
    <//>`;
}

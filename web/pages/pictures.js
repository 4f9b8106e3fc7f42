// Lists of pictures: the stored ones, and those in the trash.
import { html, useEffect, useLayoutEffect, useState } from "../vendor/preact.js";
import { api, session } from "../api.js";
import { date, size, t } from "../i18n.js";
import { forgetKept, usePages, useSelection } from "../lists.js";
import { href, route, turn } from "../router.js";
import { remember, remembered } from "../state.js";
import { AppChoice, Ask, Choice, ContainerInput, Dialog, Field, Segments } from "../parts/form.js";
import { Chosen, Grid, More, removePictures, SelectAll, Table, Tick, toldFailure } from "../parts/many.js";
import { Empty, Failed, Icon, Loading, Name, Page, reason, say, Thumbnail, toHeading, UploadButton } from "../parts/page.js";
import { LinkMaker } from "./links.js";

const types = ["image", "image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp", "video", "application", "text"];

// Where the window was scrolled to when one left for a picture.
let height = 0;

function Filters({ query, set }) {
  const [text, write] = useState(query.search ?? "");
  const search = () => text.trim() !== (query.search ?? "") && set({ search: text.trim() });
  useEffect(() => {
    const timer = setTimeout(search, 350);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => query.search || write(""), [query.search]);
  const submit = (event) => {
    event.preventDefault();
    search();
  };
  return html`
    <form class="filters" role="search" onSubmit=${submit}>
      <div class="search">
        <${Icon} of="search" />
        <input type="search" aria-label=${t("pictures.search")} placeholder=${t("pictures.search")} autocomplete="off" spellcheck=${false} value=${text} onInput=${(event) => write(event.target.value)} />
      </div>
      <div class="filter-row">
        <${AppChoice} value=${query.app} onChoose=${(app) => set({ app })} />
        <${Field} label=${t("picture.container")}>
          ${(own) => html`<${ContainerInput} ...${own} value=${query.container ?? ""} placeholder=${t("pictures.any")} onChange=${(event) => set({ container: event.target.value.trim().replace(/\/$/, "") })} />`}
        <//>
        <${Choice} label=${t("picture.type")} value=${query.type ?? ""} onChoose=${(type) => set({ type })}
          options=${[["", t("pictures.any")], ...types.map((type) => [type, type.includes("/") ? type : `${type}/*`])]} />
        <${Choice} label=${t("picture.tier")} value=${query.tier ?? ""} onChoose=${(tier) => set({ tier })} options=${[["", t("tier.durable")], ["cache", t("tier.cache")]]} />
      </div>
    </form>`;
}

export const DeletePictures = ({ pictures, run, onClose }) => html`
  <${Ask} danger title=${t("pictures.deleteN", { n: pictures.length })} button=${t("action.delete")} run=${run} onClose=${onClose}>
    <p>${pictures.some((p) => p.tier === "cache") ? t("pictures.deleteCached") : t("pictures.deleteText")}</p>
  <//>`;

function Actions({ selection, gone, back }) {
  const [dialog, open] = useState("");
  const chosen = selection.items;
  const close = () => open("");
  const remove = async () => {
    const names = await removePictures(chosen, back);
    selection.clear();
    gone(names);
  };
  return html`
    <button type="button" onClick=${() => open("links")}><${Icon} of="links" />${t("links.makeN", { n: chosen.length })}</button>
    <button type="button" class="danger" onClick=${() => open("delete")}><${Icon} of="trash" />${t("action.delete")}</button>
    ${dialog === "links" && html`
      <${Dialog} wide title=${t("nav.links")} onClose=${close}>
        <${LinkMaker} pictures=${chosen} />
        <div class="actions end"><button type="button" onClick=${close}>${t("action.close")}</button></div>
      <//>`}
    ${dialog === "delete" && html`<${DeletePictures} pictures=${chosen} run=${remove} onClose=${close} />`}`;
}

const Nothing = ({ filtered }) => filtered
  ? html`<${Empty} icon="search" title=${t("pictures.noneFound")}><p>${t("pictures.noneFoundText")}</p><a class="button" href="#/pictures">${t("pictures.all")}</a><//>`
  : html`<${Empty} icon="pictures" title=${t("overview.empty")}><p>${t("overview.emptyText")}</p><${UploadButton} /><//>`;

export function Pictures({ query: params }) {
  const key = params.toString();
  const query = Object.fromEntries(params);
  const [back] = useState(route.get().from === "picture");
  const list = usePages(key, async (more, signal) => {
    const { search, app, type, tier, container } = query;
    const page = await api.pictures({ search, app, type, tier, prefix: container && `${container}/`, limit: 60, ...more }, signal);
    return { items: page.pictures, ...page };
  }, { keep: true, back });
  const [view, look] = useState(remembered("view") ?? "grid");
  const selection = useSelection(list.items, (p) => p.name);
  const set = (change) => {
    selection.clear();
    turn("pictures", { ...query, ...change });
  };
  useLayoutEffect(() => {
    if (back) scrollTo(0, height);
    const see = () => (height = scrollY);
    addEventListener("scroll", see, { passive: true });
    return () => removeEventListener("scroll", see);
  }, []);
  const gone = (names) => {
    list.drop((p) => names.has(p.name));
    toHeading();
  };
  const none = list.items.length === 0;
  const View = view === "list" ? Table : Grid;
  return html`
    <${Page} wide title=${t("nav.pictures")} actions=${html`<${UploadButton} />`}>
      <${Filters} query=${query} set=${set} />
      ${!none && html`
        <div class="bar">
          <${SelectAll} list=${list} selection=${selection} />
          <span class="fill"></span>
          ${query.container && html`<a href=${href("links", { for: `${query.container}/` })}>${t("links.make")}</a>`}
          <${Segments} label=${t("pictures.view")} value=${view} onChoose=${(name) => { look(name); remember("view", name); }}
            options=${[["grid", t("pictures.grid"), html`<${Icon} of="grid" />`], ["list", t("pictures.list"), html`<${Icon} of="list" />`]]} />
        </div>
        <div class=${list.stale ? "stale" : ""}><${View} pictures=${list.items} selection=${selection} /></div>`}
      ${none && list.loading && html`<${Loading} />`}
      ${none && !list.loading && !list.hasMore && !list.error && html`<${Nothing} filtered=${key} />`}
      ${list.error && html`<${Failed} error=${list.error} retry=${list.more} />`}
      <${More} list=${list} />
      <${Chosen} selection=${selection}><${Actions} selection=${selection} back=${list.reload} gone=${gone} /><//>
    <//>`;
}

function Trashed({ item, chosen, tick, children }) {
  const stays = session.get().trash_ttl; // in seconds, if the server says
  return html`
    <li class=${chosen ? "row chosen-item" : "row"}>
      <${Tick} name=${item.path} chosen=${chosen} tick=${tick} />
      <span class="plate small"><${Thumbnail} picture=${item} /></span>
      <div class="row-text">
        <${Name} of=${item.path} />
        <p class="note">${t("trash.files", { n: item.files })} · ${size(item.bytes)} · ${t("trash.deleted", { date: date(item.deleted) })}</p>
        ${stays && html`<p class="note">${t("trash.goes", { date: date(new Date(item.deleted).getTime() + stays * 1000) })}</p>`}
      </div>
      <div class="actions">${children}</div>
    </li>`;
}

export function Trash() {
  const list = usePages("", async (more, signal) => {
    const page = await api.trash(more, signal);
    return { items: page.pictures, ...page };
  });
  const selection = useSelection(list.items, (item) => item.path);
  const [purged, askFor] = useState(null);

  // settle says what was done and what was not.
  function settle({ results }, said) {
    const done = new Set(results.filter((result) => !result.error).map((result) => result.path));
    list.drop((item) => done.has(item.path));
    selection.clear();
    forgetKept();
    toHeading();
    if (done.size > 0) say(said(done.size));
    toldFailure(results.find((result) => result.error));
  }
  const paths = (items) => items.map((item) => item.path);
  const restore = (items) => api.restore(paths(items)).then((answer) => settle(answer, (n) => t("trash.restored", { n })), (error) => say(reason(error), { kind: "bad" }));
  const purge = async () => settle(await api.purge(paths(purged)), () => t("state.done"));
  const buttons = (items, about) => html`
    <button type="button" aria-label=${about && `${t("trash.restore")} ${about}`} onClick=${() => restore(items)}><${Icon} of="restore" />${t("trash.restore")}</button>
    <button type="button" class="danger" aria-label=${about && `${t("trash.purge")} ${about}`} onClick=${() => askFor(items)}>${t("trash.purge")}</button>`;
  const none = list.items.length === 0;
  return html`
    <${Page} title=${t("nav.trash")} note=${t("trash.note")}>
      ${none && list.loading && html`<${Loading} />`}
      ${none && !list.loading && !list.error && html`<${Empty} icon="trash" title=${t("trash.empty")}><a class="button" href="#/pictures">${t("nav.pictures")}</a><//>`}
      ${!none && html`
        <div class="bar"><${SelectAll} list=${list} selection=${selection} /></div>
        <ul class="rows">
          ${list.items.map((item) => html`
            <${Trashed} key=${item.path} item=${item} chosen=${selection.has(item.path)} tick=${(shift) => selection.tick(item.path, shift)}>${buttons([item], item.path)}<//>`)}
        </ul>`}
      ${list.error && html`<${Failed} error=${list.error} retry=${list.more} />`}
      <${More} list=${list} />
      <${Chosen} selection=${selection}>${buttons(selection.items)}<//>
      ${purged && html`
        <${Ask} danger title=${t("trash.purgeN", { n: purged.length })} button=${t("trash.purge")} run=${purge} onClose=${() => askFor(null)}><p>${t("trash.purgeText")}</p><//>`}
    <//>`;
}

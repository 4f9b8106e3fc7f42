// Many pictures at once: to see, to choose, and to delete.
import { Component, html, useEffect, useRef } from "../vendor/preact.js";
import { api } from "../api.js";
import { date, sides, size, t } from "../i18n.js";
import { dropKept, forgetKept, inTurn } from "../lists.js";
import { href } from "../router.js";
import { container, last, Loading, Name, plain, reason, say, Thumbnail } from "./page.js";

const to = ({ name }) => href("picture", { name });

export const Tick = ({ name, chosen, tick }) => html`
  <input type="checkbox" class="tick" checked=${chosen} aria-label=${t("select.one", { name: plain(last(name)) })} onClick=${(event) => tick(event.shiftKey)} />`;

// A Row is drawn again only when it changes: there can be thousands.
class Row extends Component {
  shouldComponentUpdate(next) {
    return next.p !== this.props.p || next.chosen !== this.props.chosen;
  }
}

class Plate extends Row {
  render({ p, chosen, tick }) {
    return html`
      <li class=${chosen ? "plate-item chosen-item" : "plate-item"}>
        <a href=${to(p)} title=${plain(p.name)}>
          <span class="plate"><${Thumbnail} picture=${p} /></span>
          <span class="plate-name"><${Name} of=${last(p.name)} /></span>
          <span class="plate-name note">${p.width > 0 && `${sides(p)} · `}${size(p.size)}</span>
        </a>
        <${Tick} name=${p.name} chosen=${chosen} tick=${tick} />
      </li>`;
  }
}

class Line extends Row {
  render({ p, chosen, tick }) {
    return html`
      <tr class=${chosen && "chosen-item"}>
        <td><${Tick} name=${p.name} chosen=${chosen} tick=${tick} /></td>
        <th scope="row">
          <a class="line" href=${to(p)}>
            <span class="plate small"><${Thumbnail} picture=${p} /></span>
            <span><${Name} of=${last(p.name)} /><br /><span class="note"><${Name} of=${container(p.name)} /></span></span>
          </a>
        </th>
        <td class="num">${p.width > 0 && sides(p)}</td><td class="num">${size(p.size)}</td><td>${p.type}</td>
        <td><bdi>${p.app}</bdi></td><td class="num">${date(p.created)}</td>
      </tr>`;
  }
}

const rows = (Kind, { pictures, selection }) =>
  pictures.map((p) => html`<${Kind} key=${p.name} p=${p} chosen=${selection.has(p.name)} tick=${(shift) => selection.tick(p.name, shift)} />`);

export const Grid = (props) => html`<ul class="plates">${rows(Plate, props)}</ul>`;

export const Table = (props) => html`
  <div class="scroll" tabindex="0" role="region" aria-label=${t("nav.pictures")}>
    <table>
      <thead><tr>
        <td></td><th scope="col">${t("picture.name")}</th><th scope="col" class="num">${t("picture.sides")}</th><th scope="col" class="num">${t("picture.size")}</th>
        <th scope="col">${t("picture.type")}</th><th scope="col">${t("picture.app")}</th><th scope="col" class="num">${t("picture.created")}</th>
      </tr></thead>
      <tbody>${rows(Line, props)}</tbody>
    </table>
  </div>`;

export const SelectAll = ({ list, selection }) => html`
  <label class="check"><input type="checkbox" checked=${selection.isAll} onChange=${selection.all} />${t("select.all")}</label>
  <p class="note" role="status">${t("select.loaded", { n: list.items.length })}${list.hasMore && " +"}</p>`;

export const Chosen = ({ selection, children }) => selection.items.length > 0 && html`
  <div class="chosen" role="group" aria-label=${t("select.count", { n: selection.items.length })}>
    <strong role="status">${t("select.count", { n: selection.items.length })}</strong>
    <span class="fill"></span>
    ${children}
    <button type="button" class="bare" onClick=${selection.clear}>${t("select.clear")}</button>
  </div>`;

// More is the end of a list: more comes by itself when one is near, or by a button.
export function More({ list }) {
  const end = useRef(null);
  const latest = useRef(null);
  latest.current = list;
  const waits = list.hasMore && !list.loading && !list.error;
  const sparse = list.scanned > list.items.length;
  // A search that stopped with little stays so until it is told to go on.
  const itself = waits && (list.scanned === 0 || list.items.length * 20 > list.scanned);
  useEffect(() => {
    if (!itself) return;
    const watch = new IntersectionObserver(([entry]) => entry.isIntersecting && latest.current.more(), { rootMargin: "600px" });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [itself, list.items.length]);
  const searched = sparse && t("more.searched", { n: list.scanned });
  return html`
    <div class="more" ref=${end}>
      ${list.loading && !list.stale && html`
        <${Loading} label=${searched || undefined} />
        ${sparse && html`<button type="button" onClick=${list.stop}>${t("more.stop")}</button>`}`}
      ${waits && html`<span class="note">${searched}</span><button type="button" onClick=${list.more}>${t("more.more")}</button>`}
    </div>`;
}

// The trash has a picture by its folder, if its variants lie beside it, else by its name.
function trashPath({ name }) {
  const [, folder, stem] = /^(.*?\/([^/]+))\/[^/]+$/.exec(name) ?? [];
  return stem && name.startsWith(`${folder}/${stem}_full.`) ? folder : name;
}

// removePictures returns the names that are gone.
export async function removePictures(pictures, onBack) {
  const results = await inTurn(pictures, (p) => api.remove(p.name));
  const failed = results.filter((r) => r.error);
  const gone = results.filter((r) => !r.error).map((r) => r.item);
  const names = new Set(gone.map((p) => p.name));
  dropKept((p) => names.has(p.name));
  toldFailure(failed[0] && { path: failed[0].item.name, error: reason(failed[0].error) });
  const kept = gone.filter((p) => p.tier === "durable");
  if (kept.length > 0) say(t("trash.moved", { n: gone.length }), { action: { label: t("action.undo"), run: () => undo(kept, onBack) } });
  else if (gone.length > 0) say(t("state.done"));
  return names;
}

export const toldFailure = (failed) => failed && say(`${plain(failed.path)}: ${failed.error}`, { kind: "bad" });

async function undo(pictures, onBack) {
  try {
    const { results } = await api.restore([...new Set(pictures.map(trashPath))]);
    forgetKept();
    const failed = results.find((result) => result.error);
    if (failed) return toldFailure(failed);
    say(t("trash.restored", { n: pictures.length }));
    onBack?.();
  } catch (error) {
    say(reason(error), { kind: "bad" });
  }
}

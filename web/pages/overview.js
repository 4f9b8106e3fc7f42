// Overview: what is stored, and how the server is. Activity: who did what, when, and
// from where.
import { html, useEffect } from "../vendor/preact.js";
import { api, session } from "../api.js";
import { exactly, moment, number, percent, size, t, time, tOr } from "../i18n.js";
import { useLoad, usePages } from "../lists.js";
import { href, turn } from "../router.js";
import { AppChoice, Choice } from "../parts/form.js";
import { More } from "../parts/many.js";
import { Empty, Failed, Icon, last, Loaded, Loading, Name, Page, plain, Stored, UploadButton } from "../parts/page.js";

const Tile = ({ label, value, note, to, kind }) => html`
  <div class="card tile ${kind || ""}"><dt>${to ? html`<a href=${to}>${label}</a>` : label}</dt><dd><span class="value">${value}</span><span class="note">${note}</span></dd></div>`;

function Tiles({ stats: { durable, cache, disk, damaged_blobs, damaged_index } }) {
  const all = durable.object_bytes + cache.object_bytes;
  const saved = Math.max(0, all - durable.blob_bytes - cache.blob_bytes);
  const damaged = damaged_blobs + damaged_index;
  const full = 1 - disk?.free / disk?.total;
  return html`
    <dl class="tiles">
      <${Tile} to="#/pictures" label=${t("nav.pictures")} value=${number(durable.objects)} note=${t("overview.variants")} />
      <${Tile} label=${t("overview.bytes")} value=${size(durable.blob_bytes)} note=${t("overview.files", { n: durable.blobs })} />
      <${Tile} label=${t("overview.saved")} value=${size(saved)} note=${all > 0 && t("overview.savedPart", { part: percent(saved / all) })} />
      <${Tile} to="#/pictures?tier=cache" label=${t("tier.cache")} value=${number(cache.objects)} note=${size(cache.blob_bytes)} />
      ${disk && html`<${Tile} kind=${full > 0.9 && "warn"} label=${t("overview.disk")} value=${size(disk.free)} note=${t("overview.used", { total: size(disk.total), part: percent(full) })} />`}
      <${Tile} kind=${damaged > 0 && "bad"} label=${t("overview.damaged")} value=${number(damaged)} note=${damaged > 0 && t("overview.scrub", { command: html`<code>tintype scrub</code>` })} />
    </dl>`;
}

// The course is told in words too.
function Line({ label, values: known, interval, show = number, kind = "" }) {
  const [width, height] = [240, 48];
  const values = [...Array(Math.max(0, Math.ceil(3600 / interval) - known.length)).fill(0), ...known]; // it may have run for less than an hour
  const most = Math.max(1, ...values);
  const points = values.map((v, i) => `${Math.round((i * width) / (values.length - 1))},${Math.round(height - 2 - (v / most) * (height - 6))}`).join(" ");
  const sum = show(values.reduce((a, b) => a + b, 0));
  return html`
    <div>
      <p class="bar"><span>${label}</span><span class="fill"></span><strong>${sum}</strong></p>
      <svg class="spark ${kind}" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img"
        aria-label=${t("overview.line", { label, sum, most: show(Math.max(0, ...values)), time: time(interval) })}>
        <polygon points="0,${height} ${points} ${width},${height}" /><polyline points=${points} vector-effect="non-scaling-stroke" />
      </svg>
    </div>`;
}

const Hour = ({ history: { interval, requests, errors, uploads, bytes } }) => html`
  <section class="card">
    <h2>${t("overview.hour")}</h2>
    <div class="hours">
      <${Line} label=${t("overview.requests")} values=${requests} interval=${interval} />
      <${Line} label=${t("overview.errors")} values=${errors} interval=${interval} kind=${errors.some(Boolean) ? "bad" : "calm"} />
      <${Line} label=${t("overview.uploads")} values=${uploads} interval=${interval} />
      <${Line} label=${t("overview.sent")} values=${bytes} interval=${interval} show=${size} />
    </div>
  </section>`;

const Latest = ({ events }) => events.length > 0 && html`
  <section class="card">
    <p class="bar"><h2>${t("overview.latest")}</h2><span class="fill"></span><a href="#/activity">${t("nav.activity")}</a></p>
    <ul class="plates">
      ${events.map(({ name = "", time }) => html`
        <li key=${name + time}>
          <a href=${href("picture", { name })} title=${plain(name)}>
            <span class="plate"><${Stored} name=${name} /></span>
            <span class="plate-name"><${Name} of=${last(name)} /></span>
            <span class="plate-name note">${moment(time)}</span>
          </a>
        </li>`)}
    </ul>
  </section>`;

const First = () => html`
  <${Empty} icon="pictures" title=${t("overview.empty")}>
    <p>${t("overview.emptyText")}</p>
    <div class="actions">
      <${UploadButton} />
      <a class="button" href="#/snippets">${t("nav.snippets")}</a>
      <a class="button" href="#/welcome">${t("setup.restore")}</a>
    </div>
  <//>`;

export function Overview() {
  const stats = useLoad((signal) => api.stats(signal));
  const latest = useLoad((signal) => api.audit({ event: "upload", limit: 8 }, signal));
  const { empty, public_url } = session.use();
  useEffect(() => {
    const timer = setInterval(() => document.hidden || stats.reload(), 15000);
    return () => clearInterval(timer);
  }, []);
  return html`
    <${Page} wide title=${t("nav.overview")} note=${html`<bdi class="mono">${public_url}</bdi>`} actions=${html`<${UploadButton} />`}>
      <${Loaded} from=${stats}>
        ${(s) => html`
          ${!s.ready && html`<p class="banner bad" role="alert"><${Icon} of="warn" />${t("overview.notReady")}</p>`}
          ${empty && html`<${First} />`}
          <${Tiles} stats=${s} />
          <${Hour} history=${s.history} />`}
      <//>
      ${!empty && html`<${Loaded} from=${latest}>${({ events }) => html`<${Latest} events=${events} />`}<//>`}
      ${stats.data && html`<p class="note">${t("overview.up", { time: time((new Date(stats.data.now) - new Date(stats.data.started)) / 1000), memory: size(stats.data.memory) })} · ${stats.data.go}</p>`}
    <//>`;
}

const kinds = ["upload", "delete", "restore", "purge", "token", "app-add", "app-rotate", "app-change", "app-remove", "sign-in", "refused"];
const called = (kind) => tOr(`event.${kind}`, kind);

const What = ({ event: { event, name } }) => event === "upload"
  ? html`<a class="line" href=${href("picture", { name })}><span class="plate small"><${Stored} name=${name} /></span><${Name} of=${name} /></a>`
  : html`<${Name} of=${name} />`;

const Cell = ({ label, children }) => html`<td><span class="cell-label">${label}</span><span>${children}</span></td>`;

const Row = ({ event: e }) => html`
  <tr>
    <${Cell} label=${t("activity.time")}>${exactly(e.time)}<//>
    <${Cell} label=${t("activity.event")}><span class=${e.event === "refused" ? "chip bad" : "chip"}>${called(e.event)}</span><//>
    <${Cell} label=${t("activity.what")}>${e.name && html`<${What} event=${e} />`}${e.bytes > 0 && html` <span class="note">${size(e.bytes)}</span>`}${e.why && html` <span class="note" lang="en">${e.why}</span>`}<//>
    <${Cell} label=${t("activity.who")}><bdi>${e.app}</bdi> <span class="note">${e.by}</span><//>
    <${Cell} label=${t("activity.from")}><bdi class="mono">${e.from}</bdi><//>
  </tr>`;

export function Activity({ query: params }) {
  const query = Object.fromEntries(params);
  const list = usePages(params.toString(), async (more, signal) => {
    const page = await api.audit({ event: query.event, app: query.app, ...more }, signal);
    return { items: page.events, ...page };
  });
  const set = (change) => turn("activity", { ...query, ...change });
  const none = list.items.length === 0;
  return html`
    <${Page} wide title=${t("nav.activity")}>
      <div class="filter-row">
        <${Choice} label=${t("activity.event")} value=${query.event ?? ""} onChoose=${(event) => set({ event })} options=${[["", t("pictures.any")], ...kinds.map((kind) => [kind, called(kind)])]} />
        <${AppChoice} value=${query.app} onChoose=${(app) => set({ app })} />
      </div>
      ${none && list.loading && html`<${Loading} />`}
      ${none && !list.loading && !list.error && html`<${Empty} icon="activity" title=${t("activity.none")} />`}
      ${!none && html`
        <table class=${list.stale ? "events stale" : "events"}>
          <thead><tr>
            <th scope="col">${t("activity.time")}</th><th scope="col">${t("activity.event")}</th><th scope="col">${t("activity.what")}</th><th scope="col">${t("activity.who")}</th><th scope="col">${t("activity.from")}</th>
          </tr></thead>
          <tbody>${list.items.map((e, i) => html`<${Row} key=${i} event=${e} />`)}</tbody>
        </table>`}
      ${list.error && html`<${Failed} error=${list.error} retry=${list.more} />`}
      <${More} list=${list} />
    <//>`;
}

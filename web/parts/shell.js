// What stands around every page; and files that are dropped or pasted anywhere.
import { html, useEffect, useState } from "../vendor/preact.js";
import { api, session } from "../api.js";
import { language, languages, speak, t } from "../i18n.js";
import { go } from "../router.js";
import { paint, theme, themes } from "../state.js";
import { active, addFiles } from "../uploads.js";
import { Choice } from "./form.js";
import { Icon, reason, say, Toasts } from "./page.js";

const Brand = ({ to }) => html`<a class="brand" href=${to}><img src="mark.svg" alt="" width="28" height="28" />tintype</a>`;

const Preferences = () => html`
  <div class="preferences">
    <${Choice} label=${t("look.language")} value=${language.get()} onChoose=${speak} options=${Object.entries(languages).map(([code, { name }]) => [code, name])} />
    <${Choice} label=${t("look.theme")} value=${theme.use()} onChoose=${paint} options=${themes.map((name) => [name, t(`look.${name}`)])} />
  </div>`;

const Main = ({ children }) => html`<${Toasts} /><main id="main" tabindex="-1">${children}</main>`;

export const Plain = ({ children }) => html`
  <div class="plain">
    <header><${Brand} to="#/" /><${Preferences} /></header>
    <${Main}>${children}<//>
  </div>`;

function Nav({ page }) {
  const under = page === "picture" ? "pictures" : page;
  const uploading = active.use();
  const list = (...names) => html`
    <ul>
      ${names.map((name) => html`
        <li key=${name}><a href="#/${name}" aria-current=${under === name ? "page" : undefined}>
          <${Icon} of=${name} />${t(`nav.${name}`)}${name === "upload" && uploading > 0 && html`<span class="badge">${uploading}</span>`}
        </a></li>`)}
    </ul>`;
  return html`${list("overview", "pictures", "upload", "trash")}${list("apps", "links", "activity", "snippets")}`;
}

const signOut = () => api.signOut().then(() => session.set(null), (error) => say(reason(error), { kind: "bad" }));

// useFiles says whether files are held over the window.
function useFiles() {
  const [over, set] = useState(false);
  useEffect(() => {
    const has = (event) => event.dataTransfer?.types.includes("Files");
    const take = (files, event) => {
      if (!files?.length || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      addFiles([...files]);
      go("upload");
    };
    const on = {
      dragover: (event) => has(event) && (event.preventDefault(), set(true)),
      dragleave: (event) => event.relatedTarget || set(false),
      drop(event) {
        set(false);
        if (has(event)) event.preventDefault(); // or the browser would open it
        take(event.dataTransfer?.files, event);
      },
      paste: (event) => take(event.clipboardData?.files, event),
    };
    for (const name in on) addEventListener(name, on[name]);
    return () => {
      for (const name in on) removeEventListener(name, on[name]);
    };
  }, []);
  return over;
}

export function Shell({ page, children }) {
  const [open, set] = useState(false);
  const over = useFiles();
  useEffect(() => set(false), [page]);
  const skip = (event) => {
    event.preventDefault(); // the fragment names the page
    document.querySelector("#main").focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("nav.skip")}</a>
    <div class="shell">
      <header class="side" onKeyDown=${(event) => event.key === "Escape" && set(false)}>
        <div class="side-head">
          <${Brand} to="#/overview" />
          <button type="button" class="menu" aria-expanded=${open} aria-controls="nav" onClick=${() => set(!open)}><${Icon} of=${open ? "cross" : "menu"} />${t("nav.menu")}</button>
        </div>
        <div class=${open ? "side-body open" : "side-body"} id="nav">
          <nav aria-label=${t("nav.menu")}><${Nav} page=${page} /></nav>
          <div class="side-foot">
            <${Preferences} />
            <button type="button" class="bare" onClick=${signOut}><${Icon} of="forward" />${t("nav.signOut")}</button>
            <p class="note">tintype <bdi>${session.get().version}</bdi></p>
          </div>
        </div>
      </header>
      <${Main}>${children}<//>
    </div>
    ${over && html`<div class="drop-over"><${Icon} of="upload" />${t("upload.dropHere")}</div>`}`;
}

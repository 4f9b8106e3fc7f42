// The console begins here: language, session, and the page of the address.
import { html, render, useEffect, useState } from "./vendor/preact.js";
import { api, session } from "./api.js";
import { language, speak, t } from "./i18n.js";
import { follow, route, takeSetup, turn } from "./router.js";
import { paint } from "./state.js";
import { Apps } from "./pages/apps.js";
import { Links } from "./pages/links.js";
import { Activity, Overview } from "./pages/overview.js";
import { Picture } from "./pages/picture.js";
import { Pictures, Trash } from "./pages/pictures.js";
import { SignIn, Snippets, Welcome } from "./pages/setup.js";
import { Upload } from "./pages/upload.js";
import { Failed, Loading, Page } from "./parts/page.js";
import { Plain, Shell } from "./parts/shell.js";

const pages = {
  activity: Activity, apps: Apps, links: Links, overview: Overview, picture: Picture, pictures: Pictures,
  snippets: Snippets, trash: Trash, upload: Upload, welcome: Welcome,
};

const Missing = () => html`
  <${Page} title=${t("missing.title")}>
    <p><a class="button" href="#/overview">${t("nav.overview")}</a></p>
  <//>`;

async function ask() {
  try {
    session.set(await api.session());
  } catch (error) {
    if (error.status !== 401) return error;
    session.set(null);
  }
}

async function enter(token) {
  try {
    await api.signIn(token);
  } catch (error) {
    return error;
  }
  const error = await ask();
  if (!error && route.get().page === "welcome" && !session.get().empty) turn("overview");
  return error;
}

function Console({ setup }) {
  const speaks = language.use();
  const who = session.use();
  const { page, query } = route.use();
  const [trouble, set] = useState(null); // with the server, or with a set-up link
  const begin = async (token) => {
    set(null);
    const error = token ? await enter(token) : await ask();
    if (token && error) await ask();
    set(error ? { error, token } : null);
  };
  useEffect(() => {
    begin(setup);
    follow(begin);
  }, []);

  if (who === undefined) {
    return html`<${Plain}>${trouble && !trouble.token ? html`<${Failed} error=${trouble.error} retry=${() => begin()} />` : html`<${Loading} />`}<//>`;
  }
  if (who === null) return html`<${Plain}><${SignIn} key=${speaks} enter=${enter} refused=${trouble?.token && trouble.error} /><//>`;
  const Shown = Object.hasOwn(pages, page) ? pages[page] : Missing;
  return html`
    <${Shell} page=${page}>
      <${Shown} key=${speaks + page + (query.get("name") ?? "")} query=${query} />
    <//>`;
}

paint();
const setup = takeSetup();
await speak();
render(html`<${Console} setup=${setup} />`, document.querySelector("#app"));

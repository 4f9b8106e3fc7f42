// The way in, for people and for programs.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { api, isReady, send, session } from "../api.js";
import { moment, size, t } from "../i18n.js";
import { useLoad } from "../lists.js";
import { go } from "../router.js";
import { remember, remembered } from "../state.js";
import { Choice, Input, Segments } from "../parts/form.js";
import { Code, Failed, Icon, Loaded, Page, reason, say } from "../parts/page.js";

// enter(token) returns what went wrong; refused is what did with the link that led here.
export function SignIn({ enter, refused }) {
  const [text, write] = useState("");
  const [failed, fail] = useState(null);
  const wrong = failed ?? refused;
  async function submit(event) {
    event.preventDefault();
    fail(await enter(text.trim().replace(/^.*#setup=/s, ""))); // the token, or the whole link
  }
  return html`
    <${Page} title=${t("signin.title")}>
      <div class="card">
        ${wrong && html`<p class="failed" role="alert"><strong>${[401, 403].includes(wrong.status) ? t("signin.spent") : reason(wrong)}</strong></p>`}
        <p>${t("signin.how")}</p>
        <${Code} text="tintype console" label="tintype" />
        <p class="note">${t("signin.note")}</p>
        <form onSubmit=${submit}>
          <${Input} label=${t("signin.token")} value=${text} required onInput=${(event) => write(event.target.value)} />
          <button class="primary">${t("signin.button")}</button>
        </form>
      </div>
    <//>`;
}

// again waits until the server has started anew.
async function again() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (!(await isReady())) continue;
    try {
      return session.set(await api.session());
    } catch (error) {
      if (error.status === 401) return;
    }
  }
}

function Restore() {
  const input = useRef(null);
  const [state, set] = useState({});
  const { file, done, error } = state;
  useEffect(() => {
    if (!file) return;
    const stay = (event) => event.preventDefault();
    addEventListener("beforeunload", stay);
    return () => removeEventListener("beforeunload", stay);
  }, [!file]);
  async function restore(file) {
    if (!file) return;
    set({ file, done: 0 });
    try {
      const was = await send("/restore", {}, file, "application/x-tar", (done) => set({ file, done })).answer;
      set({ file, done: 1 });
      await again();
      say(t("setup.restored", { n: was.pictures.objects }));
      go("overview");
    } catch (error) {
      set({ error });
    }
  }
  return html`
    <section class="card">
      <h2>${t("setup.restore")}</h2>
      <p>${t("setup.restoreText", { command: html`<code>tintype backup pictures.tar</code>` })}</p>
      ${error && html`<${Failed} error=${error} />`}
      ${file && html`
        <p role="status">${done < 1 ? t("setup.sending", { size: size(file.size) }) : t("setup.waiting")}</p>
        <progress key=${done < 1} aria-label=${t("setup.restore")} ...${done < 1 ? { value: done } : {}}></progress>`}
      <input ref=${input} class="quiet" type="file" accept=".tar" tabindex="-1" aria-label=${t("setup.choose")} onChange=${(event) => restore(event.target.files[0])} />
      <button type="button" disabled=${file} onClick=${() => input.current.click()}>${t("setup.choose")}</button>
    </section>`;
}

export function Welcome() {
  const { empty, public_url, expires } = session.use();
  const step = (done, title, text, to, button) => html`
    <li class=${done ? "done" : ""}><span><strong>${title}</strong><br />${text}</span>${to && html`<a class="button ${to === "upload" ? "primary" : ""}" href="#/${to}"><${Icon} of=${to} />${button}</a>`}</li>`;
  return html`
    <${Page} title=${t("setup.title")} note=${t("setup.note", { url: html`<bdi class="mono">${public_url}</bdi>` })}>
      <ol class="steps">
        ${step(true, t("setup.signedIn"), t("setup.signedInText", { time: moment(expires) }))}
        ${step(!empty, t("setup.first"), t("setup.firstText"), "upload", t("nav.upload"))}
        ${step(false, t("setup.connect"), t("setup.connectText"), "snippets", t("nav.snippets"))}
      </ol>
      ${empty && html`<${Restore} />`}
    <//>`;
}

const languages = { curl: "curl", python: "Python", js: "JavaScript", go: "Go", java: "Java", php: "PHP" };

export function Snippets() {
  const [language, choose] = useState(remembered("snippet") ?? "curl");
  const [app, take] = useState("");
  const apps = useLoad((signal) => api.apps(signal));
  const text = useLoad((signal) => api.snippet(language, app, signal), `${language} ${app}`);
  const keys = apps.data?.apps.map(({ key }) => key) ?? [];
  return html`
    <${Page} title=${t("nav.snippets")}>
      <section class="card">
        <h2>${t("snippets.upload")}</h2>
        <div class="bar low">
          <${Segments} label=${t("look.language")} value=${language} options=${Object.entries(languages)} onChoose=${(name) => { choose(name); remember("snippet", name); }} />
          ${keys.length > 1 && html`<${Choice} label=${t("picture.app")} value=${app || keys[0]} options=${keys.map((key) => [key, key])} onChoose=${take} />`}
        </div>
        <${Loaded} from=${text}>${(source) => html`<div class=${text.loading ? "stale" : ""}><${Code} text=${source} label=${languages[language]} /></div>`}<//>
        <p class="note">${t("snippets.secret")}</p>
      </section>
      <section class="card">
        <h2>${t("snippets.token")}</h2>
        <p>${t("snippets.tokenText")}</p>
        <${Code} text="tintype token admin" label="tintype" />
        <${Code} text=${`curl -H "Authorization: Bearer $TOKEN" ${new URL("../api/v1/stats", location.href.replace(/#.*/s, ""))}`} label="curl" />
        <p><a href="../openapi.json">OpenAPI 3.1</a> · <a href="../docs">${t("snippets.docs")}</a></p>
      </section>
    <//>`;
}

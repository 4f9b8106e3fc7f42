// Fields of forms, with label and hint, and dialogs.
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { api } from "../api.js";
import { t } from "../i18n.js";
import { useLoad } from "../lists.js";
import { Failed } from "./page.js";

let ids = 0;

export const useId = () => useState(() => `i${++ids}`)[0];

export function Field({ label, hint, children }) {
  const id = useId();
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${children({ id, "aria-describedby": hint ? `${id}-hint` : undefined })}
      ${hint && html`<p class="note" id="${id}-hint">${hint}</p>`}
    </div>`;
}

export const Input = ({ label, hint, ...rest }) => html`
  <${Field} label=${label} hint=${hint}>${(own) => html`<input autocomplete="off" spellcheck=${false} ...${own} ...${rest} />`}<//>`;

export const Choice = ({ label, options, value, onChoose }) => html`
  <${Field} label=${label}>
    ${(own) => html`
      <select ...${own} value=${value} onChange=${(event) => onChoose(event.target.value)}>
        ${options.map(([key, text]) => html`<option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
      </select>`}
  <//>`;

export function AppChoice({ value, onChoose }) {
  const apps = useLoad((signal) => api.apps(signal));
  return html`<${Choice} label=${t("picture.app")} value=${value ?? ""} onChoose=${onChoose} options=${[["", t("pictures.any")], ...(apps.data?.apps ?? []).map(({ key }) => [key, key])]} />`;
}

export function ContainerInput({ end = "", ...rest }) {
  const containers = useLoad((signal) => api.containers({ limit: 1000 }, signal));
  return html`
    <input list="containers" autocomplete="off" spellcheck=${false} ...${rest} />
    <datalist id="containers">${containers.data?.containers.map((c) => html`<option key=${c.tier + c.name} value=${c.name + end} />`)}</datalist>`;
}

export function Segments({ label, options, value, onChoose }) {
  const id = useId();
  return html`
    <fieldset class="segments">
      <legend class="quiet">${label}</legend>
      ${options.map(([key, text, icon]) => html`
        <label key=${key} title=${icon && text}>
          <input type="radio" name=${id} aria-label=${text} checked=${key === value} onChange=${() => onChoose(key)} />
          <span>${icon ?? text}</span>
        </label>`)}
    </fieldset>`;
}

// The browser keeps the focus in a modal dialog, closes it with Escape, and brings the
// focus back.
export function Dialog({ title, onClose, children, wide }) {
  const ref = useRef(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    dialog.onclose = onClose;
    return () => {
      dialog.onclose = null; // it comes later, when another may be open
      dialog.close();
    };
  }, []);
  return html`<dialog ref=${ref} class=${wide && "wide"} aria-labelledby=${id}><h2 id=${id}>${title}</h2>${children}</dialog>`;
}

// Ask closes when run is done, and otherwise says why not.
export function Ask({ title, button, danger, allowed = true, run, onClose, children }) {
  const [state, set] = useState({});
  async function submit(event) {
    event.preventDefault();
    set({ busy: true });
    try {
      await run();
      onClose();
    } catch (error) {
      set({ error });
    }
  }
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <form onSubmit=${submit}>
        ${children}
        ${state.error && html`<${Failed} error=${state.error} />`}
        <div class="actions end">
          <button type="button" onClick=${onClose}>${t("action.cancel")}</button>
          <button class=${danger ? "danger" : "primary"} disabled=${!allowed || state.busy}>${button}</button>
        </div>
      </form>
    <//>`;
}

// What the whole console shares, and what the browser keeps of the reader's choices.
import { useEffect, useReducer } from "./vendor/preact.js";

export function cell(value) {
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const watch of [...watchers]) watch();
    },
    use() {
      const [, draw] = useReducer((n) => n + 1, 0);
      useEffect(() => {
        watchers.add(draw);
        return () => watchers.delete(draw);
      }, []);
      return value;
    },
  };
}

export function remembered(key) {
  try {
    return localStorage.getItem(`tintype.${key}`);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(`tintype.${key}`, value);
  } catch {
    // a browser that keeps nothing
  }
}

export const themes = ["system", "light", "dark"];
export const theme = cell(remembered("theme") ?? "system");

export function paint(name = theme.get()) {
  remember("theme", name);
  theme.set(name);
  document.documentElement.dataset.theme = name;
}

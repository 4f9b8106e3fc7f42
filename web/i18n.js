// The language of the console, and how it writes numbers, sizes and times.
import { cell, remember, remembered } from "./state.js";

export const languages = {
  "en-us": { tag: "en-US", name: "English" },
  "zh-tw": { tag: "zh-Hant-TW", name: "繁體中文" },
  "zh-cn": { tag: "zh-Hans-CN", name: "简体中文" },
};

export const language = cell("");

let words, plural, numbers, percents, days, minutes, seconds;

// Chinese without a script is that of the region, or else of the mainland.
function fitting() {
  const chosen = remembered("language");
  if (languages[chosen]) return chosen;
  for (const tag of navigator.languages) {
    if (/^zh\b.*\b(hant|tw|hk|mo)\b/i.test(tag)) return "zh-tw";
    if (/^zh\b/i.test(tag)) return "zh-cn";
    if (/^en\b/i.test(tag)) return "en-us";
  }
  return "en-us";
}

export async function speak(code) {
  if (code) remember("language", code);
  code ??= fitting();
  words = (await import(`./lang/${code}.js`)).default;
  const { tag } = languages[code];
  document.documentElement.lang = tag;
  plural = new Intl.PluralRules(tag);
  numbers = new Intl.NumberFormat(tag);
  percents = new Intl.NumberFormat(tag, { style: "percent", maximumFractionDigits: 1 });
  const dates = (timeStyle) => new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle, hour12: timeStyle && code === "en-us" });
  days = dates();
  minutes = dates("short");
  seconds = dates("medium");
  language.set(code);
}

const find = (key) => key.split(".").reduce((at, name) => at?.[name], words);

// t returns the text of a key, with values in place of {name}. One that is a node makes
// it a list of nodes.
export function t(key, values = {}) {
  let text = find(key) ?? key;
  if (typeof text === "object") text = text[plural.select(values.n)] ?? text.other;
  const parts = text.split(/\{(\w+)\}/).map((part, i) => {
    if (i % 2 === 0) return part;
    const value = values[part];
    return typeof value === "number" ? number(value) : value;
  });
  return parts.some((part) => typeof part === "object") ? parts : parts.join("");
}

// tOr is t for words of the server, which may be newer.
export const tOr = (key, other) => (find(key) ? t(key) : other);

export const number = (n) => numbers.format(n);
export const percent = (part) => percents.format(part);
export const date = (at) => days.format(new Date(at));
export const moment = (at) => minutes.format(new Date(at));
export const exactly = (at) => seconds.format(new Date(at));
export const sides = ({ width, height }) => `${number(width)} × ${number(height)}`;

const unit = (n, unit, options) =>
  new Intl.NumberFormat(languages[language.get()].tag, { style: "unit", unit, unitDisplay: "short", ...options }).format(n);

export function size(n) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  while (n >= 1024 && units.length > 1) {
    n /= 1024;
    units.shift();
  }
  return unit(n, units[0], { maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0 });
}

// time writes a length of time, in seconds.
export function time(length) {
  let left = Math.max(0, Math.floor(length));
  const said = [];
  for (const [name, of] of [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]) {
    const n = Math.floor(left / of);
    left -= n * of;
    if (n > 0 || (of === 1 && said.length === 0)) said.push(unit(n, name, { unitDisplay: "long" }));
    else if (said.length > 0) break;
    if (said.length === 2) break;
  }
  return said.join(" ");
}

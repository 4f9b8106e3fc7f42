// The native API, of openapi.json. Addresses are relative, for a proxy's path.
import { cell } from "./state.js";

const base = "../api/v1";

// null: signed out; undefined: not asked yet
export const session = cell(undefined);

// The code of a Failure is one of the API's, or network.
export class Failure extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

function address(path, query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `${base}${path}${filled.length ? `?${new URLSearchParams(filled)}` : ""}`;
}

// failure also ends a session that is over.
function failure(status, text) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // a proxy's page
  }
  if (status === 401 && session.get()) session.set(null);
  return new Failure(error.code ?? (status === 401 ? "unauthorized" : "internal"), error.message ?? `HTTP ${status}`, status);
}

async function call(method, path, { query, body, signal, text } = {}) {
  const init = { method, signal, headers: {}, cache: "no-store" };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let answer, content;
  try {
    answer = await fetch(address(path, query), init);
    content = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("network", error.message);
  }
  if (!answer.ok) throw failure(answer.status, content);
  if (text) return content;
  return content ? JSON.parse(content) : null;
}

const get = (path, query, signal) => call("GET", path, { query, signal });
const post = (path, body) => call("POST", path, { body });
const app = (key) => `/apps/${encodeURIComponent(key)}`;

export const api = {
  session: () => get("/session"),
  signIn: (token) => post("/session", { token }),
  signOut: () => call("DELETE", "/session"),
  stats: (signal) => get("/stats", {}, signal),
  pictures: (query, signal) => get("/pictures", query, signal),
  picture: (name, signal) => get("/picture", { name }, signal),
  remove: (name) => call("DELETE", "/picture", { query: { name } }),
  containers: (query, signal) => get("/containers", query, signal),
  trash: (query, signal) => get("/trash", query, signal),
  restore: (paths) => post("/trash/restore", { paths }),
  purge: (paths) => post("/trash/purge", { paths }),
  apps: (signal) => get("/apps", {}, signal),
  addApp: (key) => post("/apps", key ? { key } : {}),
  changeApp: (key, change) => call("PATCH", app(key), { body: change }),
  removeApp: (key) => call("DELETE", app(key)),
  rotateApp: (key) => post(`${app(key)}/rotate`),
  endPrevious: (key) => call("DELETE", `${app(key)}/previous`),
  sign: (link) => post("/links", link),
  explain: (link) => post("/links/explain", link),
  audit: (query, signal) => get("/audit", query, signal),
  snippet: (language, key, signal) => call("GET", `/snippets/${language}`, { query: { app: key }, signal, text: true }),
};

export const thumbnailURL = (name, size = 256) => address("/picture/thumbnail", { name, size });
export const contentURL = (name) => address("/picture/content", { name });

// send tells how far it is, which fetch cannot.
export function send(path, query, bytes, type, progress) {
  const request = new XMLHttpRequest();
  const answer = new Promise((resolve, reject) => {
    request.open("POST", address(path, query));
    request.setRequestHeader("Content-Type", type);
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onerror = () => reject(new Failure("network", ""));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.onload = () => {
      if (request.status >= 400) return reject(failure(request.status, request.responseText));
      resolve(request.responseText ? JSON.parse(request.responseText) : null);
    };
    request.send(bytes);
  });
  return { answer, abort: () => request.abort() };
}

export async function isReady() {
  try {
    return (await fetch("../readyz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

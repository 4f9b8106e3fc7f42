// Pages are told apart by the fragment, #/PAGE?QUERY: the server needs to know none.
import { cell } from "./state.js";

function parse() {
  const [page, query] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { page: page || "overview", query: new URLSearchParams(query) };
}

// from: the page before
export const route = cell(parse());

let moved = false;

// hasMoved says, once, that another page came: the focus goes to its heading.
export function hasMoved() {
  const was = moved;
  moved = false;
  return was;
}

export function href(page, query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value);
  return `#/${page}${filled.length ? `?${new URLSearchParams(filled)}` : ""}`;
}

export const go = (page, query) => (location.hash = href(page, query));

// turn adds nothing to the history.
export function turn(page, query) {
  history.replaceState(null, "", href(page, query));
  route.set(parse());
}

export function takeSetup() {
  const token = new URLSearchParams(location.hash.slice(1)).get("setup");
  if (token) turn("welcome");
  return token;
}

// f is called for a set-up link that is opened in a window of the console.
export function follow(f) {
  addEventListener("hashchange", () => {
    const token = takeSetup();
    if (token) return f(token);
    const next = { ...parse(), from: route.get().page };
    if (next.page !== route.get().page || next.page === "picture") {
      moved = true;
      scrollTo(0, 0);
    }
    route.set(next);
  });
}

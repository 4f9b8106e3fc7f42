// Hooks that fetch, one answer or a list, and that choose of one.
import { useEffect, useReducer, useRef, useState } from "./vendor/preact.js";

// useLoad fetches again when key changes. What was there stays until the answer.
export function useLoad(fetch, key = "") {
  const [state, set] = useState({ loading: true });
  const [round, reload] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    const abort = new AbortController();
    const settle = (loading) => (more) => abort.signal.aborted || set((was) => ({ data: was.data, loading, ...more }));
    settle(true)();
    fetch(abort.signal).then((data) => settle(false)({ data }), (error) => settle(false)({ error }));
    return () => abort.abort();
  }, [key, round]);
  return { ...state, reload };
}

const maxPages = 25;

// The list of pictures as it was when one of them was opened.
let kept = null;

const newList = (key, shown) => ({ key, items: [], shown, cursor: "", scanned: 0, begun: false, loading: false, error: null, abort: null });

// usePages is a list that fetchPage({cursor}, signal) brings: {items, scanned, cursor}.
// It goes on by itself while that is less than what is wanted. keep: it is to be kept;
// back: the kept one is wanted again.
export function usePages(key, fetchPage, { want = 60, keep, back } = {}) {
  const [, draw] = useReducer((n) => n + 1, 0);
  const ref = useRef(null);
  const begin = (next) => {
    ref.current?.abort?.abort();
    ref.current = next;
    if (keep) kept = next;
  };
  if (ref.current?.key !== key) begin(back && kept?.key === key && !kept.error ? kept : newList(key, ref.current?.items ?? []));
  const list = ref.current;
  const update = (change) => {
    Object.assign(list, change);
    if (ref.current === list) draw();
  };

  async function more() {
    if (list.loading || (list.begun && !list.cursor)) return;
    const abort = new AbortController();
    update({ loading: true, error: null, abort });
    try {
      const goal = list.items.length + want;
      for (let pages = 0; pages < maxPages && list.items.length < goal && (list.cursor || !list.begun); pages++) {
        const page = await fetchPage({ cursor: list.cursor }, abort.signal);
        const items = list.items.concat(page.items);
        update({ items, shown: items, cursor: page.cursor ?? "", scanned: list.scanned + (page.scanned ?? 0), begun: true });
      }
      update({ loading: false });
    } catch (error) {
      if (list.abort === abort) update({ loading: false, error: error.name === "AbortError" ? null : error });
    }
  }
  useEffect(() => {
    if (!list.begun) more();
    return () => {
      list.abort?.abort();
      list.loading = false;
    };
  }, [list]);

  return {
    items: list.shown,
    stale: !list.begun,
    loading: list.loading || (!list.begun && !list.error),
    error: list.error,
    hasMore: list.cursor !== "",
    scanned: list.scanned,
    more,
    reload() {
      begin(newList(key, list.items));
      draw();
    },
    stop: () => list.abort?.abort(),
    drop(gone) {
      const items = list.items.filter((item) => !gone(item));
      update({ items, shown: items });
    },
  };
}

export const keptPictures = () => kept?.items ?? [];
export const keptQuery = () => (kept?.key ? `?${kept.key}` : "");
export const forgetKept = () => (kept = null);

export function dropKept(gone) {
  if (kept) kept.items = kept.shown = kept.items.filter((item) => !gone(item));
}

// useSelection is what is chosen of a list.
export function useSelection(items, idOf) {
  const [chosen, set] = useState(new Set());
  const last = useRef(null);
  const latest = useRef(null);
  const ids = (latest.current = items.map(idOf));
  const clear = () => set(new Set());
  const isAll = ids.length > 0 && ids.every((id) => chosen.has(id));
  return {
    has: (id) => chosen.has(id),
    items: items.filter((item) => chosen.has(idOf(item))),
    isAll,
    // shift: all from the one before. It may be that of an earlier drawing.
    tick(id, shift) {
      const ids = latest.current;
      const [a, b] = [ids.indexOf(shift ? last.current : id), ids.indexOf(id)].sort((x, y) => x - y);
      last.current = id;
      set((chosen) => {
        const next = new Set(chosen);
        for (const each of a < 0 ? [id] : ids.slice(a, b + 1)) chosen.has(id) ? next.delete(each) : next.add(each);
        return next;
      });
    },
    all: () => (isAll ? clear() : set(new Set(ids))),
    clear,
  };
}

export function useNow(seconds) {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), seconds * 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

// inTurn runs f for every item, four at a time.
export async function inTurn(items, f) {
  const results = [];
  const rest = items.entries();
  const work = async () => {
    for (const [i, item] of rest) {
      results[i] = await f(item).then((value) => ({ item, value }), (error) => ({ item, error }));
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  return results;
}

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/**
 * What changes, as it changes: server-sent events, and polling while they do not come.
 * Everybody on a page shares one connection.
 */

import { filled, words } from "./texts.js";
import { time } from "./format.js";

const POLL_MS = 30_000;
const LOST_MS = 8_000;
const HIDDEN_MS = 60_000;

/** @typedef {{datasets: string[], id: string, entity: object|null}} Change */

const listeners = new Set();
let source;
let lastHeard = Date.now();
let state = "connecting";
let poll;
let lost;

/**
 * Be told of changes.
 * @param {(change: Change|null) => void} listener gets null where anything may have changed.
 */
export function listen(listener) {
  listeners.add(listener);
  if (source) return;
  connect();
  addEventListener("offline", unheard);
  // Who does not look needs no connection: a browser has few for all of its windows.
  let leaving;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(() => source.close(), HIDDEN_MS);
    } else if (source.readyState === EventSource.CLOSED) {
      connect();
      tell(null);
    }
  });
}

function tell(change) {
  lastHeard = Date.now();
  for (const listener of listeners) listener(change);
}

function connect() {
  source?.close();
  // A station's page needs to know of its own dataset alone.
  const dataset = document.getElementById("station")?.dataset.dataset;
  source = new EventSource(dataset ? `/events?dataset=${dataset}` : "/events");
  source.addEventListener("open", () => become("live"));
  const change = (event) => {
    become("live");
    tell(JSON.parse(event.data));
  };
  source.addEventListener("change", change);
  source.addEventListener("gone", change);
  source.addEventListener("reset", () => tell(null));
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      // The server has no events, or too many listen: the values are asked for instead.
      source.close();
      setTimeout(connect, POLL_MS + Math.random() * POLL_MS);
    }
    unheard();
  });
}

/** Nothing comes any more: ask now and then, and say so where asking fails as well. */
function unheard() {
  poll ??= setInterval(ask, POLL_MS);
  lost ??= setTimeout(() => {
    lost = undefined;
    if (state !== "live") ask();
  }, LOST_MS);
  if (state === "live") become("connecting");
}

async function ask() {
  try {
    const answer = await fetch("/stations.json", { method: "HEAD", cache: "no-cache", signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(String(answer.status));
    if (state !== "live") {
      become("polling");
      tell(null);
    }
  } catch {
    become("lost");
  }
}

function become(next) {
  if (state === next) return;
  const before = state;
  state = next;
  if (next === "live") {
    clearInterval(poll);
    clearTimeout(lost);
    poll = lost = undefined;
    if (before !== "connecting") tell(null);
  }
  const dot = document.getElementById("live");
  if (dot) {
    dot.dataset.state = next;
    dot.querySelector(".live-word").textContent =
      next === "live" ? words["live.on"] : next === "polling" ? words["live.polling"] : next === "lost" ? "" : words["live.connecting"];
    if (next === "lost") dot.dataset.state = "lost";
  }
  const bar = document.getElementById("connection");
  if (!bar) return;
  if (next === "lost") {
    bar.textContent = filled(words, "live.lost", { time: time(lastHeard) });
  } else if (before === "lost" || bar.textContent) {
    bar.textContent = next === "connecting" ? bar.textContent : words["live.back"];
    setTimeout(() => state !== "lost" && (bar.textContent = ""), 4000);
  }
}

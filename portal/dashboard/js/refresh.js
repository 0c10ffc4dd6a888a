// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/**
 * Parts of the page that the server writes (`data-live`) are asked for anew when something changed: the
 * sentences exist once, there. The server makes them once for everybody who asks at the same time.
 */

import { listen } from "./live.js";

const SOONEST_MS = 15_000;
const EMBEDDED_MS = 60_000;

/** Keep the page's parts current. */
export function followPage() {
  const parts = document.querySelectorAll("[data-live]");
  if (!parts.length) return;
  if (document.body.classList.contains("embedded")) {
    // Many frames may stand on one page: each asks now and then, none keeps a connection.
    setInterval(() => document.hidden || refresh(), EMBEDDED_MS);
    return;
  }
  const own = document.getElementById("station")?.dataset.id;
  let due;
  let last = Date.now();
  listen((change) => {
    if (due || (own && change && change.id !== own)) return;
    // Spread over some seconds, so that a crowd does not ask at once.
    const wait = Math.max(0, last + SOONEST_MS - Date.now()) + Math.random() * 3000;
    due = setTimeout(async () => {
      if (!document.hidden) await refresh();
      due = undefined;
      last = Date.now();
    }, wait);
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}

/** Ask for the page and take over the parts that changed, but not the one that holds the focus. */
async function refresh() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!next || part.contains(document.activeElement) || part.innerHTML === next.innerHTML) continue;
    const dot = part.querySelector("#live");
    part.replaceChildren(...document.importNode(next, true).childNodes);
    if (dot) part.querySelector("#live")?.replaceWith(dot);
  }
}

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** A station's page: the course of its values, as a curve, in words, as a table and as a file. */

import { draw } from "./chart.js";
import { number, when } from "./format.js";
import { course } from "./history.js";
import { listen } from "./live.js";
import { element } from "./marks.js";
import { counted, filled, texts } from "./texts.js";

const DAY = 86_400_000;
const RANGES = { "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY };
const MOST_ROWS = 500;
const AGAIN_MS = 60_000;

export async function station() {
  const page = document.getElementById("station");
  const form = document.getElementById("chart-form");
  const place = document.getElementById("chart");
  const all = await texts();
  const view = { page, form, place, all, plot: null, asked: 0 };
  form.hidden = place.hidden = false;
  const own = form.querySelector(".own-range");
  form.addEventListener("change", (event) => {
    const chosen = new FormData(form).get("range");
    own.hidden = chosen !== "own";
    if (chosen === "own" && event.target.name === "range") return prefill(form);
    if (chosen !== "own" || event.target.id === "chart-attribute") show(view);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(view);
  });
  addEventListener("appearance", () => show(view));
  await show(view);
  let last = Date.now();
  listen((change) => {
    if (change && change.id !== page.dataset.id) return;
    if (document.hidden || Date.now() - last < AGAIN_MS || new FormData(form).get("range") === "own") return;
    last = Date.now();
    show(view);
  });
}

/** The own range begins as the last day. */
function prefill(form) {
  const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  form.querySelector("#chart-from").value ||= local(Date.now() - DAY);
  form.querySelector("#chart-to").value ||= local(Date.now());
}

/** What is asked for. */
function asked({ form, page, all }) {
  const option = form.querySelector("#chart-attribute").selectedOptions[0];
  const { symbol, factor, shift, digits, bands, levels, words } = option.dataset;
  const range = new FormData(form).get("range");
  const to = range === "own" ? Date.parse(form.querySelector("#chart-to").value) : Date.now();
  const from = range === "own" ? Date.parse(form.querySelector("#chart-from").value) : to - RANGES[range];
  const split = (text) => (text ? text.split(",") : []);
  const counter = "counter" in option.dataset;
  return {
    what: { id: page.dataset.id, type: page.dataset.type, name: option.value, counter },
    from,
    to,
    label: option.textContent,
    symbol,
    digits: Number(digits),
    show: (value) => value * factor + (counter ? 0 : Number(shift)),
    bands: split(bands).map(Number),
    levels: split(levels).map(Number),
    words: split(words).map((word) => all[`word.${word}`]),
    bars: counter,
    time: all["chart.time"],
    least: all["chart.min"],
    most: all["chart.max"],
  };
}

async function show(view) {
  const { place, all } = view;
  const summary = document.getElementById("chart-summary");
  const turn = ++view.asked;
  const how = asked(view);
  if (!(how.to > how.from)) return;
  place.setAttribute("aria-busy", "true");
  if (!place.firstChild) summary.textContent = all["chart.loading"];
  let found;
  try {
    found = await course(how.what, how.from, how.to);
  } catch {
    if (turn === view.asked) {
      summary.textContent = all["chart.failed"];
      place.hidden = !view.plot;
    }
    place.removeAttribute("aria-busy");
    return;
  }
  if (turn !== view.asked) return;
  view.plot?.destroy();
  view.plot = null;
  const known = found.points.filter(({ value }) => value !== null);
  place.hidden = !known.length;
  place.removeAttribute("aria-busy");
  summary.textContent = known.length ? inWords(all, how, found, known) : all["chart.none"];
  table(all, how, found, known);
  file(view, how, known);
  if (known.length) view.plot = await draw(place, found, how);
}

const written = (how, value) => `${number(how.show(value), how.digits)}${how.symbol ? `\u00a0${how.symbol}` : ""}`;

function inWords(all, how, { points, period }, known) {
  const values = known.map(({ value }) => value);
  const least = Math.min(...known.map(({ min, value }) => min ?? value));
  const most = Math.max(...known.map(({ max, value }) => max ?? value));
  const sentences = [
    filled(all, "chart.summary", {
      attribute: how.label, from: when(how.from), to: when(how.to),
      min: written(how, least), max: written(how, most), last: written(how, values.at(-1)),
    }),
  ];
  const length = period && filled(all, period, { n: 15 });
  if (period) sentences.push(filled(all, how.bars ? "chart.used" : "chart.mean", { period: length }));
  if (points.length > known.length) sentences.push(all["chart.gaps"]);
  const flagged = known.filter(({ flag }) => flag).length;
  if (flagged) sentences.push(counted(all, "chart.flagged", flagged));
  return sentences.join(" ");
}

/** What a flag says, in words; what is no flag of ours is said as it came. */
const quality = (all, flag) => (flag ? (all[`quality.${flag}`] ?? String(flag)) : "");

function table(all, how, { period }, known) {
  const details = document.getElementById("chart-details");
  details.hidden = !known.length;
  const ranged = Boolean(period) && !how.bars;
  const flagged = known.some(({ flag }) => flag);
  const heads = ["chart.time", "chart.value", ...(ranged ? ["chart.min", "chart.max"] : []), ...(flagged ? ["chart.quality"] : [])];
  const rows = known.slice(-MOST_ROWS).reverse().map((point) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, when(point.at)),
      element("td", {}, written(how, point.value)),
      ...(ranged ? [point.min, point.max].map((value) => element("td", {}, written(how, value))) : []),
      ...(flagged ? [element("td", {}, quality(all, point.flag))] : []),
    ),
  );
  const head = element("tr", {}, ...heads.map((key) => element("th", { scope: "col" }, all[key])));
  details.querySelector("table").replaceChildren(
    element("caption", {}, filled(all, "chart.caption", { attribute: how.label })),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
}

/** The same as a file: times in UTC, numbers with a point, in the unit that is shown. */
function file({ page }, how, known) {
  const link = document.getElementById("chart-csv");
  if (link.href) URL.revokeObjectURL(link.href);
  link.hidden = !known.length;
  const digits = how.digits + 3;
  const value = (each) => (each == null ? "" : String(Number(how.show(each).toFixed(digits))));
  const source = "simulated" in page.dataset ? "simulation" : "";
  const rows = known.map(({ at, value: mean, min, max, flag }) =>
    [new Date(at).toISOString(), value(mean), value(min), value(max), flag ?? "", source].join(","),
  );
  const unit = how.symbol ? ` (${how.symbol})` : "";
  const head = `time,${how.what.name}${unit},min,max,quality,source`;
  link.href = URL.createObjectURL(new Blob([[head, ...rows, ""].join("\r\n")], { type: "text/csv;charset=utf-8" }));
  link.download = `${page.dataset.short.replaceAll(/[^\w-]+/g, "_")}-${how.what.name}.csv`;
}

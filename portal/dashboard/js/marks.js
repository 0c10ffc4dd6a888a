// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** Signs, chips and trends as elements: the same as templates/macros.html writes. */

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A sign of sprite.html. */
export function sign(id, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

/** What the scale says of a station. */
export function chip(all, station, stale) {
  if (!station.newest) return element("span", { class: "chip stale" }, sign("ms", "mark ls"), all["age.never"]);
  if (stale) return element("span", { class: "chip stale" }, sign("ms", "mark ls"), all["word.stale"]);
  if (!station.word) return element("span", { class: "chip none" }, element("span", { class: "sr" }, all["word.none"]));
  const made = element(
    "span",
    { class: `chip l${station.level}` },
    sign(`m${station.level}`, `mark l${station.level}`),
    all[`word.${station.word}`] ?? station.word,
  );
  if (!station.incomplete) return made;
  const both = document.createDocumentFragment();
  both.append(made, " ", element("span", { class: "chip-more" }, all.incomplete));
  return both;
}

/** Whether a station's value rises or falls; nothing where that is not known. */
export function trend(all, station) {
  if (station.trend === null) return "";
  const word = { "-1": "down", 0: "flat", 1: "up" }[station.trend];
  return element("span", { class: "trend" }, sign(`t${station.trend}`), all[`trend.${word}`]);
}

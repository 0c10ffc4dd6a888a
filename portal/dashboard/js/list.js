// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** The list of stations: searched, narrowed, ordered, and written in parts so that thousands do not stutter. */

import { ageOf } from "./ages.js";
import { quantity, when } from "./format.js";
import { chip, element, trend } from "./marks.js";
import { counted, filled, prefix, texts } from "./texts.js";

const PART = matchMedia("(max-width: 64rem)").matches ? 20 : 60;
const collator = new Intl.Collator("de", { numeric: true });

/** A text as it is compared: “Märkische Straße” and “maerkische strasse” are one (portal/pages_list.py). */
const folded = (text) =>
  text.toLowerCase().replaceAll("ß", "ss").normalize("NFD").replace(/\p{M}/gu, "").replace(/([aou])e/g, "$1");

const byName = (a, b) => collator.compare(a.name, b.name);
const UNJUDGED = 6;

/** Tells `chosen` (which stations are listed) and `pick` (one is pointed at, or none). */
export class List extends EventTarget {
  /**
   * @param {HTMLElement} section of the page.
   * @param {import("./stations.js").Stations} stations
   * @param {string} topic of the page; empty: all.
   */
  constructor(section, stations, topic) {
    super();
    this.stations = stations;
    this.topic = topic;
    this.form = section.querySelector(".filters");
    this.body = section.querySelector("#rows");
    this.count = section.querySelector(".list-count");
    this.more = section.querySelector(".more");
    this.heads = [...section.querySelectorAll("[data-sort]")];
    this.rows = new Map();
    this.length = PART;
    this.ready = this.#start(section);
  }

  async #start(section) {
    this.all = await texts();
    section.querySelector(".apply").hidden = true;
    section.querySelector(".pages")?.remove();
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => {
      this.length = PART;
      this.choose();
      this.#address();
    });
    for (const head of this.heads) {
      head.addEventListener("click", (event) => {
        event.preventDefault();
        const { sort } = head.dataset;
        this.form.elements.sort.value = this.form.elements.sort.value === sort ? `-${sort}` : sort;
        this.form.dispatchEvent(new Event("input"));
      });
    }
    this.more.addEventListener("click", () => {
      const first = this.length;
      this.length += PART;
      this.write();
      this.body.rows[first]?.querySelector("a").focus();
    });
    for (const [event, on] of [["mouseover", true], ["focusin", true], ["mouseleave", false], ["focusout", false]]) {
      this.body.addEventListener(event, (raised) => {
        const row = on ? raised.target.closest("tr") : null;
        this.dispatchEvent(new CustomEvent("pick", { detail: row?.dataset.id }));
      });
    }
    this.stations.addEventListener("all", () => this.choose());
    this.stations.addEventListener("one", ({ detail }) => this.#changed(detail));
    this.choose();
  }

  /** Find what the filters leave. */
  choose() {
    const asked = new FormData(this.form);
    const words = folded(asked.get("q")).split(/\s+/).filter(Boolean);
    const topic = this.topic || asked.get("thema");
    const district = asked.get("bezirk");
    this.chosen = [...this.stations.byId.values()].filter(
      (station) =>
        (!topic || station.theme === topic) &&
        (!district || station.district === district) &&
        (!words.length || words.every((word) => this.#searched(station).includes(word))),
    );
    const sort = asked.get("sort");
    if (sort) this.chosen.sort(this.#order(sort));
    for (const head of this.heads) {
      const { sort: name, first } = head.dataset;
      const other = first === "ascending" ? "descending" : "ascending";
      const way = { [name]: first, [`-${name}`]: other }[sort];
      if (way) head.parentElement.setAttribute("aria-sort", way);
      else head.parentElement.removeAttribute("aria-sort");
    }
    this.write();
    this.dispatchEvent(new CustomEvent("chosen", { detail: this.chosen }));
  }

  #searched(station) {
    return folded(`${station.name} ${station.district ?? ""} ${this.all[`topic.${station.theme}`]}`);
  }

  /** How two stations are compared: as portal/pages_list.py does. */
  #order(sort) {
    const back = sort.startsWith("-");
    const way = back ? -1 : 1;
    const level = (station) => (this.stations.stale(station) ? 0 : station.level);
    const known = (station) => level(station) || UNJUDGED;
    switch (back ? sort.slice(1) : sort) {
      case "name":
        return (a, b) => way * byName(a, b);
      case "age":
        return (a, b) => way * (b.newest - a.newest) || byName(a, b);
      case "level":
        return back ? (a, b) => known(a) - known(b) || byName(a, b) : (a, b) => level(b) - level(a) || byName(a, b);
      default:
        return (a, b) => this.#compareValues(a, b, way);
    }
  }

  /** What is measured in the same way stands together; what is no number comes last. */
  #compareValues(a, b, way) {
    const [one, two] = [a, b].map((station) => {
      const name = this.stations.main(station);
      const value = station.values[name]?.[0];
      return typeof value === "number" ? { name, value } : null;
    });
    if (!one || !two) return Number(!one) - Number(!two) || byName(a, b);
    return collator.compare(one.name, two.name) || way * (two.value - one.value) || byName(a, b);
  }

  /** Write the rows that are to be seen; those that are there already are moved, not made. */
  write() {
    const shown = this.chosen.slice(0, this.length);
    const rows = new Map(shown.map((station) => [station.id, this.#row(station)]));
    this.rows = rows;
    this.body.replaceChildren(...rows.values());
    const words = counted(this.all, "list.count", this.chosen.length);
    if (this.count.textContent !== words) this.count.textContent = words;
    if (!shown.length) {
      this.body.append(
        element("tr", {}, element("td", { colspan: 4, class: "none-found" }, this.all[this.stations.byId.size ? "list.none" : "empty.city"])),
      );
    }
    const left = this.chosen.length - shown.length;
    this.more.hidden = left <= 0;
    this.more.textContent = filled(this.all, "list.more", { n: Math.min(PART, left) });
  }

  #changed(station) {
    const row = this.rows.get(station.id);
    if (!row || row.contains(document.activeElement)) return;
    const made = this.#row(station);
    made.classList.add("flash");
    row.replaceWith(made);
    this.rows.set(station.id, made);
  }

  /** Point at a station's row, if it is written. */
  mark(id) {
    this.body.querySelector(".marked")?.classList.remove("marked");
    this.rows.get(id)?.classList.add("marked");
  }

  /** A station's main value with its unit. */
  value(station) {
    const name = this.stations.main(station);
    const value = station.values[name]?.[0];
    const how = this.stations.shown.get(`${station.type}.${name}`);
    if (typeof value === "number") return quantity(value, how, this.all[`unit.${name}`]);
    return value === undefined ? "" : [value].flat().map((each) => this.all[`word.${each}`] ?? each).join(", ");
  }

  #row(station) {
    const { all } = this;
    const stale = this.stations.stale(station);
    const told = [this.topic ? null : all[`topic.${station.theme}`], station.district].filter(Boolean).join(" · ");
    const where = element("span", { class: "where" }, told);
    if (station.simulated) where.append(told && " · ", element("span", { class: "sim" }, all.simulated));
    const age = station.newest
      ? element("time", { class: "age", datetime: new Date(station.newest).toISOString(), title: when(station.newest) }, ageOf(all, station.newest))
      : "–";
    return element(
      "tr",
      { "data-id": station.id, class: stale ? "old" : null },
      element("th", { scope: "row" }, element("a", { href: address(station) }, station.name), " ", where),
      element("td", { class: "value", "data-label": all["list.col.value"] }, this.value(station), trend(all, station)),
      element("td", { "data-label": all["list.col.verdict"] }, chip(all, station, stale)),
      element("td", { "data-label": all["list.col.age"] }, age),
    );
  }

  /** The filters stand in the address: it can be sent to somebody. */
  #address() {
    const asked = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value));
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}#karte`);
  }
}

/** @param {import("./stations.js").Station} station @returns {string} address of its page. */
export const address = (station) => `${prefix}/station/${encodeURIComponent(station.id).replaceAll("%3A", ":")}`;

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/**
 * All stations with their newest values, from /stations.json, kept current by events.
 *
 * @typedef {object} Station
 * @property {string} id without `urn:ngsi-ld:`
 * @property {string} dataset
 * @property {string} type
 * @property {string} theme
 * @property {string} name
 * @property {string|null} district
 * @property {[number, number]|null} at longitude, latitude
 * @property {boolean} simulated
 * @property {Record<string, [any, string|null]>} values by attribute: value, when it was observed
 * @property {number} level 0 (nothing is said), 1 (best) to 5 (worst)
 * @property {string|null} word key of the verdict's word
 * @property {boolean} incomplete
 * @property {-1|0|1|null} trend
 * @property {number} newest ms since the epoch; 0: never
 */

import { asset } from "./texts.js";
import { listen } from "./live.js";
import { judge } from "./judge.js";

const ANEW_MS = 60_000;

async function json(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

/** The stations, and who wants to know of changes. */
export class Stations extends EventTarget {
  /** @type {Map<string, Station>} */
  byId = new Map();

  /** @returns {Promise<Stations>} */
  static async load() {
    const found = new Stations();
    const [described, rules] = await Promise.all([json("/datasets.json"), json(asset("themes.json"))]);
    found.rules = rules;
    found.datasets = new Map(described.datasets.map((dataset) => [dataset.name, dataset]));
    found.shown = new Map(
      described.datasets.flatMap(({ type, attributes }) =>
        attributes.map(({ name, shown }) => [`${type}.${name}`, shown]),
      ),
    );
    await found.read();
    let due;
    listen((change) => {
      if (change?.entity) found.take(change);
      due ??= setTimeout(
        () => {
          due = undefined;
          if (!document.hidden) found.read().catch(() => {});
        },
        change ? ANEW_MS + Math.random() * 10_000 : Math.random() * 2000,
      );
    });
    return found;
  }

  /** Ask for all of them. */
  async read() {
    const { stations } = await json("/stations.json");
    this.byId = new Map(stations.map((station) => [station.id, this.#known(station)]));
    this.dispatchEvent(new CustomEvent("all"));
  }

  /** Take over what an event says. @param {import("./live.js").Change} change */
  take({ id, entity }) {
    const station = this.byId.get(id.replace(/^urn:ngsi-ld:/, ""));
    if (!station) return;
    const at = entity.observedAt ?? new Date().toISOString();
    for (const name of Object.keys(station.values)) {
      if (name in entity) station.values[name] = [entity[name], at];
    }
    Object.assign(station, judge(this.rules, station) ?? {});
    this.#known(station);
    this.dispatchEvent(new CustomEvent("one", { detail: station }));
  }

  /** @param {Station} station @returns {Station} with what follows from the rest. */
  #known(station) {
    station.type = this.datasets.get(station.dataset).type;
    station.theme = this.datasets.get(station.dataset).theme;
    station.newest = Math.max(0, ...Object.values(station.values).map(([, at]) => (at ? Date.parse(at) : 0)));
    return station;
  }

  /** Whether a station has said nothing for longer than its kind is expected to. */
  stale(station) {
    return Date.now() - station.newest > (this.rules.types[station.type]?.fresh ?? 86_400) * 1000;
  }

  /** The attribute that is shown first. */
  main(station) {
    const wanted = this.rules.types[station.type]?.main ?? [];
    return wanted.find((name) => name in station.values) ?? Object.keys(station.values)[0];
  }
}

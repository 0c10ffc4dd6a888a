// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** What a scale of themes.json says of a live value; the server says it of the first (portal/pages_rules.py). */

/** Indices of hourly means cannot be told from one value: the server works them out. */
const MEANS = new Set(["lqi"]);

/**
 * @param {object} rules themes.json
 * @param {import("./stations.js").Station} station
 * @returns {{level: number, word: string}|null} null: what was said before holds.
 */
export function judge(rules, station) {
  const about = rules.types[station.type] ?? {};
  const value = (name) => station.values[name]?.[0];
  if (about.states) {
    const { attribute, levels } = rules.states[about.states];
    const state = value(attribute);
    return state in levels ? { level: levels[state], word: state } : null;
  }
  if (!about.scale || MEANS.has(about.scale)) return null;
  const scale = rules.scales[about.scale];
  for (const [name, own] of Object.entries(scale.stations ?? {})) {
    const limits = own.map(value);
    if (typeof value(name) !== "number" || limits.some((limit) => typeof limit !== "number")) return null;
    return banded(scale, limits.filter((limit) => value(name) >= limit).length);
  }
  for (const [name, upper] of Object.entries(scale.upper ?? {})) {
    if (typeof value(name) !== "number") continue;
    // Fill levels are published as parts of one and judged as percent.
    const shown = Math.floor(value(name) * (scale.unit === "P1" ? 100 : 1) + 0.5 + 1e-9);
    return banded(scale, upper.filter((limit) => shown > limit).length);
  }
  return null;
}

const banded = (scale, band) => ({ level: scale.levels[band], word: scale.words[band] });

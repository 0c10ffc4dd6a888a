// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** Ages of values: “vor 3 Minuten” becomes “vor 4 Minuten” by itself. */

import { counted, words } from "./texts.js";

const STEPS = [
  [86400, "days"],
  [3600, "hours"],
  [60, "minutes"],
];

/** @param {Record<string, string>} all texts. @param {number} moment ms since the epoch. */
export function ageOf(all, moment) {
  const seconds = (Date.now() - moment) / 1000;
  for (const [length, name] of STEPS) {
    if (seconds >= length) return counted(all, `age.${name}`, Math.floor(seconds / length));
  }
  return all["age.now"];
}

/** Write the ages of all `time.age` anew every half minute. */
export function tickAges() {
  setInterval(() => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time.age")) {
      const age = ageOf(words, Date.parse(element.dateTime));
      if (element.textContent !== age) element.textContent = age;
    }
  }, 30_000);
}

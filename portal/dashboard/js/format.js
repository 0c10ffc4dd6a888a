// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** Numbers and moments as the page's language writes them. */

import { code, locale } from "./texts.js";

const ZONE = "Europe/Berlin";
const numbers = new Map();

/** @param {number} value @param {number} digits after the decimal sign. */
export function number(value, digits = 0) {
  if (!numbers.has(digits)) {
    numbers.set(
      digits,
      new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
    );
  }
  const written = numbers.get(digits).format(value);
  return (/[1-9]/.test(written) ? written : written.replace("-", "")).replace("-", "\u2212");
}

/**
 * A value with its unit.
 * @param {number} value as published.
 * @param {{symbol: string, factor: number, shift: number, digits: number}|null} how from /datasets.json.
 * @param {string} [word] that stands for the unit.
 */
export function quantity(value, how, word) {
  if (!how) return number(value, Number.isInteger(value) ? 0 : 2);
  const written = number(value * how.factor + how.shift, how.digits);
  const symbol = word ?? how.symbol;
  return symbol ? `${written}\u00a0${symbol}` : written;
}

const long = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone: ZONE });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short", timeZone: ZONE });

/** @param {number|Date} moment */
export const when = (moment) => long.format(moment) + (code === "en" ? "" : " Uhr");

/** @param {number|Date} moment */
export const time = (moment) => clock.format(moment) + (code === "en" ? "" : " Uhr");

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** The catalogue of texts in the page's language. */

const { language, base } = document.documentElement.dataset;

/** The page's language: `de`, `en` or `ls`. */
export const code = language;

/** What Intl is asked for: Leichte Sprache writes numbers as German does. */
export const locale = language === "en" ? "en-GB" : "de-DE";

/** What addresses of pages in this language begin with. */
export const prefix = { de: "", en: "/en", ls: "/leicht" }[language];

/** @param {string} path of a static file. @returns {string} its address. */
export const asset = (path) => base + path;

/** The few texts that every page needs at once: they came with it. */
export const words = JSON.parse(document.getElementById("words").textContent);

let loading;

/** @returns {Promise<Record<string, string>>} all texts by key. */
export function texts() {
  loading ??= Promise.all((language === "ls" ? ["de", "ls"] : [language]).map(load)).then((parts) =>
    Object.assign({}, ...parts),
  );
  return loading;
}

async function load(name) {
  const answer = await fetch(asset(`texts/${name}.json`));
  if (!answer.ok) throw new Error(`texts/${name}.json: ${answer.status}`);
  return answer.json();
}

/**
 * Fill in a text's places.
 * @param {Record<string, string>} all from `texts`.
 * @param {string} key
 * @param {Record<string, string|number>} [values] by the names of the places.
 */
export function filled(all, key, values = {}) {
  return all[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A text that depends on a number. */
export function counted(all, key, count, values = {}) {
  const number = new Intl.NumberFormat(locale).format(count);
  return filled(all, `${key}.${count === 1 ? "one" : "other"}`, { n: number, ...values });
}

/** One text, loaded when it is needed. */
export async function text(key, values) {
  return filled(await texts(), key, values);
}

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
//
// Tells whether a codec left anything behind in an interpreter that is used again. A function of
// JSON text, {declared: the codec's global names, unused: built-in names that its text never says},
// that returns `check(whole)`:
//   check(false)  after each uplink: removes the globals that it made;
//   check(true)   before results count: true if everything is as it was found.
(function (text) {
  "use strict";
  const { defineProperty, deleteProperty, getPrototypeOf, isExtensible, ownKeys } = Reflect;
  const { freeze, getOwnPropertyDescriptor: describe, hasOwn, is, isFrozen, keys } = Object;
  const { declared, unused } = JSON.parse(text);
  let touched = false;

  // A script's variables are properties of the global object; here they are a function's, and not
  // found there. Who looks for one there is told apart, and gets a fresh interpreter instead.
  for (const name of declared) {
    defineProperty(globalThis, name, {
      get: () => ((touched = true), undefined),
      set: () => (touched = true),
      configurable: true,
      enumerable: false,
    });
  }

  // Nobody writes to built-in methods, nor to what the codec's text does not name: frozen, they need
  // no look. What every script uses without naming it stays as it is, and so does what is below.
  const open = new Set([globalThis, Object, Array, Function, String, Number, Boolean, RegExp, Error]);
  if (!unused.includes("Uint8Array") || globalThis.Buffer) open.add(Uint8Array).add(getPrototypeOf(Uint8Array));
  for (const thing of [...open]) if (thing.prototype) open.add(thing.prototype);
  for (const name of unused) {
    const thing = globalThis[name];
    if (open.has(thing) || ((typeof thing !== "object" || thing === null) && typeof thing !== "function")) continue;
    freeze(thing);
    if (hasOwn(thing, "prototype") && !open.has(thing.prototype)) freeze(thing.prototype);
  }

  const seen = new Set();
  const kept = [];
  function visit(thing) {
    if ((typeof thing !== "object" && typeof thing !== "function") || thing === null || seen.has(thing)) return;
    seen.add(thing);
    if (typeof thing === "function" && !open.has(thing) && !hasOwn(thing, "prototype")) freeze(thing);
    const own = ownKeys(thing);
    const found = own.map((key) => describe(thing, key));
    for (const { value, get, set } of found) {
      visit(value);
      visit(get);
      visit(set);
    }
    const parent = getPrototypeOf(thing);
    visit(parent);
    if (isFrozen(thing)) return;
    const plain = own.filter((_, at) => "value" in found[at]);
    const computed = own.filter((_, at) => !("value" in found[at]));
    kept.push({
      thing,
      parent,
      size: own.length,
      plain,
      values: plain.map((key) => thing[key]),
      computed,
      getters: computed.map((key) => describe(thing, key).get),
      setters: computed.map((key) => describe(thing, key).set),
    });
  }
  visit(globalThis);

  // Those that only an instance leads to.
  for (const instance of [
    [][Symbol.iterator](), ""[Symbol.iterator](), "".matchAll(/x/g), new Map()[Symbol.iterator](),
    new Set()[Symbol.iterator](), [].values().map((x) => x), Iterator.from({ next() {} }),
    (function* () {})(), (async function* () {})(), async function () {}, function* () {}, async function* () {},
  ]) {
    visit(getPrototypeOf(instance));
  }

  function same(entry) {
    const { thing, plain, values, computed, getters, setters } = entry;
    if (getPrototypeOf(thing) !== entry.parent || !isExtensible(thing)) return false;
    if (ownKeys(thing).length !== entry.size) return false;
    for (let at = 0; at < plain.length; at++) {
      if (thing[plain[at]] !== values[at] && !is(thing[plain[at]], values[at])) return false;
    }
    for (let at = 0; at < computed.length; at++) {
      const found = describe(thing, computed[at]);
      if (found === undefined || found.get !== getters[at] || found.set !== setters[at]) return false;
    }
    return true;
  }

  function tidy() {
    const left = keys(globalThis);
    for (let at = 0; at < left.length; at++) {
      if (!deleteProperty(globalThis, left[at])) touched = true;
    }
  }

  return function check(whole) {
    tidy();
    if (!whole) return true;
    for (let at = 0; at < kept.length && !touched; at++) {
      if (!same(kept[at])) touched = true;
    }
    return !touched;
  };
})

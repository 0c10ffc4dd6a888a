// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
//
// What a vendor's codec finds around itself. A function of the receive time (ms since 1970) that
// returns the function which runs the codec: (JSON text of the uplink, receive time, function that
// returns the codec's own functions) -> JSON text of its result.
(function (now) {
  "use strict";
  const { parse, stringify } = JSON;
  const { apply } = Reflect;
  const Clock = Date;

  // Not enumerable, as built-ins are: what is enumerable in the global object was left by the codec.
  function provide(name, value) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }

  // The clock stands at the receive time: a replayed message decodes as it did the first time.
  function FrozenDate(...parts) {
    if (new.target === undefined) return new Clock(now).toString();
    return Reflect.construct(Clock, parts.length ? parts : [now], new.target);
  }
  FrozenDate.prototype = Clock.prototype;
  FrozenDate.prototype.constructor = FrozenDate;
  FrozenDate.now = () => now;
  FrozenDate.parse = Clock.parse;
  FrozenDate.UTC = Clock.UTC;
  provide("Date", FrozenDate);
  provide("performance", {
    now: () => 0,
    get timeOrigin() {
      return now;
    },
  });

  const silent = () => {};
  provide("console", {
    log: silent, info: silent, debug: silent, warn: silent, error: silent,
    trace: silent, table: silent, dir: silent, assert: silent, time: silent, timeEnd: silent,
  });

  // JSON.stringify writes NaN as null, and a value that was never measured would look like one.
  function finite(key, value) {
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw new RangeError(`the field ${key} is ${value}, which is no number`);
    }
    return value;
  }

  const words = (list) => (Array.isArray(list) ? list.map(String) : list ? [String(list)] : []);

  function call({ decodeUplink, Decode, Decoder }, { bytes, fPort }) {
    const variables = {};
    if (decodeUplink) {
      return decodeUplink({ bytes, fPort, recvTime: new FrozenDate(now), variables });
    }
    if (Decode) return { data: Decode(fPort, bytes, variables) };
    if (Decoder) return { data: Decoder(bytes, fPort) };
    throw new ReferenceError("it has neither decodeUplink nor Decode nor Decoder");
  }

  function normalize({ normalizeUplink }, result) {
    if (!normalizeUplink || words(result.errors).length) return {};
    try {
      const { data, warnings, errors } = normalizeUplink({ data: result.data });
      const found = words(errors).length || data == null ? [] : Array.isArray(data) ? data : [data];
      stringify(found, finite);
      return { normalized: found, warnings: words(warnings).concat(words(errors)) };
    } catch (error) {
      return { warnings: [`normalizeUplink failed: ${error}`] };
    }
  }

  return function run(text, receivedAt, functions) {
    now = receivedAt;
    const found = apply(functions, globalThis, []);
    const result = call(found, parse(text));
    if (result === null || typeof result !== "object") throw new TypeError("it returned no object");
    const normal = normalize(found, result);
    return stringify(
      {
        data: result.data === undefined ? null : result.data,
        errors: words(result.errors),
        warnings: words(result.warnings).concat(normal.warnings || []),
        normalized: normal.normalized || [],
      },
      finite,
    );
  };
})

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
//
// The part of Node.js' Buffer that payload codecs use. Loaded only for codecs that name it.
(function () {
  "use strict";
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  function fromHex(text) {
    const pairs = text.match(/[0-9a-fA-F]{2}/g) || [];
    return pairs.map((pair) => parseInt(pair, 16));
  }

  function fromBase64(text) {
    const bytes = [];
    let bits = 0;
    let count = 0;
    for (const letter of text.replace(/-/g, "+").replace(/_/g, "/")) {
      const value = ALPHABET.indexOf(letter);
      if (value < 0) continue;
      bits = ((bits << 6) | value) & 0xffffff;
      count += 6;
      if (count >= 8) {
        count -= 8;
        bytes.push((bits >> count) & 0xff);
      }
    }
    return bytes;
  }

  function toBase64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const three = (bytes[at] << 16) | ((bytes[at + 1] || 0) << 8) | (bytes[at + 2] || 0);
      const left = bytes.length - at;
      text += ALPHABET[three >> 18] + ALPHABET[(three >> 12) & 63];
      text += left > 1 ? ALPHABET[(three >> 6) & 63] : "=";
      text += left > 2 ? ALPHABET[three & 63] : "=";
    }
    return text;
  }

  const percent = (byte) => "%" + byte.toString(16).padStart(2, "0");
  const latin1 = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

  function fromUtf8(text) {
    return Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));
  }

  function toUtf8(bytes) {
    try {
      return decodeURIComponent(Array.from(bytes, percent).join(""));
    } catch {
      return latin1(bytes).replace(/[\x80-\xff]/g, "\ufffd");
    }
  }

  function parsed(text, encoding) {
    switch (String(encoding || "utf8").toLowerCase()) {
      case "hex":
        return fromHex(text);
      case "base64":
      case "base64url":
        return fromBase64(text);
      case "ascii":
      case "latin1":
      case "binary":
        return Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
      default:
        return fromUtf8(text);
    }
  }

  class Buffer extends Uint8Array {
    static from(value, encoding) {
      return super.from(typeof value === "string" ? parsed(value, encoding) : value.data || value);
    }
    static alloc(size, fill = 0) {
      return new Buffer(size).fill(fill);
    }
    static allocUnsafe(size) {
      return new Buffer(size);
    }
    static concat(list) {
      return Buffer.from(list.flatMap((part) => Array.from(part)));
    }
    static isBuffer(value) {
      return value instanceof Buffer;
    }
    static byteLength(text, encoding) {
      return parsed(text, encoding).length;
    }
    slice(start, end) {
      return this.subarray(start, end);
    }
    equals(other) {
      return this.length === other.length && this.every((byte, at) => byte === other[at]);
    }
    toJSON() {
      return { type: "Buffer", data: Array.from(this) };
    }
    toString(encoding, start = 0, end = this.length) {
      const part = this.subarray(start, end);
      switch (String(encoding || "utf8").toLowerCase()) {
        case "hex":
          return Array.from(part, (byte) => byte.toString(16).padStart(2, "0")).join("");
        case "base64":
          return toBase64(part);
        case "ascii":
        case "latin1":
        case "binary":
          return latin1(part);
        default:
          return toUtf8(part);
      }
    }
    readUIntBE(at, size) {
      let value = 0;
      for (let n = 0; n < size; n++) value = value * 256 + this._byte(at + n);
      return value;
    }
    readUIntLE(at, size) {
      let value = 0;
      for (let n = size - 1; n >= 0; n--) value = value * 256 + this._byte(at + n);
      return value;
    }
    readIntBE(at, size) {
      const value = this.readUIntBE(at, size);
      return value < 2 ** (8 * size - 1) ? value : value - 2 ** (8 * size);
    }
    readIntLE(at, size) {
      const value = this.readUIntLE(at, size);
      return value < 2 ** (8 * size - 1) ? value : value - 2 ** (8 * size);
    }
    _byte(at) {
      if (at < 0 || at >= this.length) throw new RangeError("Attempt to access memory outside buffer bounds");
      return this[at];
    }
    _view(at, size) {
      this._byte(at);
      this._byte(at + size - 1);
      return new DataView(this.buffer, this.byteOffset + at, size);
    }
  }

  // readUInt8, readInt16LE, writeUInt32BE, readFloatBE … under both spellings of Uint.
  for (const [kind, size] of [
    ["Uint8", 1], ["Int8", 1], ["Uint16", 2], ["Int16", 2], ["Uint32", 4], ["Int32", 4],
    ["BigUint64", 8], ["BigInt64", 8], ["Float32", 4], ["Float64", 8],
  ]) {
    const names = { Float32: ["Float"], Float64: ["Double"] }[kind] || [kind, kind.replace("Uint", "UInt")];
    for (const name of names) {
      for (const [order, little] of size === 1 ? [["", false]] : [["BE", false], ["LE", true]]) {
        Object.assign(Buffer.prototype, {
          ["read" + name + order](at = 0) {
            return this._view(at, size)["get" + kind](0, little);
          },
          ["write" + name + order](value, at = 0) {
            this._view(at, size)["set" + kind](0, value, little);
            return at + size;
          },
        });
      }
    }
  }
  Object.defineProperty(globalThis, "Buffer", {
    value: Buffer, writable: true, configurable: true, enumerable: false,
  });
})();

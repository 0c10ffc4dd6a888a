// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2

/** What the page says, in German and English. */
const TEXTS = {
  de: {
    title: "Betrieb", key: "Schlüssel für den Betrieb", open: "Öffnen", advice: "Was jetzt zu tun ist", numbers: "Auf einen Blick",
    sources: "Quellen", devices: "Geräte, die unvollständigsten zuerst", filter: "Filtern",
    letters: "Nicht zustellbare Nachrichten, die neuesten", subscriptions: "Abonnements am Broker", language: "English",
    well: "Alles in Ordnung", wellMore: "Nichts wartet auf Sie.", asOf: "Stand", refused: "Dieser Schlüssel gilt nicht.",
    lost: "Keine Verbindung zu Volme; die Angaben sind veraltet.",
    received: "empfangen", delivered: "zugestellt", pending: "wartet", dead: "unzustellbar", duplicate: "doppelt", lag: "Rückstand",
    registered: "Geräte", silent: "schweigen", complete: "vollständig, 24 h", source: "Quelle", connected: "verbunden",
    yes: "ja", no: "nein", push: "–", device: "Gerät", name: "Name", missed: "fehlt", lastSeen: "zuletzt gehört", silentSince: "schweigt seit",
    kind: "Art", reason: "Grund", at: "empfangen", endpoint: "Empfänger", state: "Zustand", sent: "gesendet", failed: "fehlgeschlagen",
    success: "zuletzt gelungen", failure: "zuletzt misslungen", ok: "in Ordnung", failing: "gestört", none: "Nichts.", never: "nie",
  },
  en: {
    title: "Operations", key: "The operator's key", open: "Open", advice: "What to do now", numbers: "At a glance",
    sources: "Sources", devices: "Devices, the least complete first", filter: "Filter",
    letters: "Dead letters, the newest", subscriptions: "Subscriptions at the broker", language: "Deutsch",
    well: "All is well", wellMore: "Nothing waits for you.", asOf: "as of", refused: "This key is not valid.",
    lost: "No connection to Volme; what you see is out of date.",
    received: "received", delivered: "delivered", pending: "waiting", dead: "dead letters", duplicate: "duplicates", lag: "lag",
    registered: "devices", silent: "silent", complete: "complete, 24 h", source: "source", connected: "connected",
    yes: "yes", no: "no", push: "–", device: "device", name: "name", missed: "missed", lastSeen: "last heard", silentSince: "silent since",
    kind: "kind", reason: "reason", at: "received", endpoint: "receiver", state: "state", sent: "sent", failed: "failed",
    success: "last success", failure: "last failure", ok: "fine", failing: "failing", none: "Nothing.", never: "never",
  },
};

const EVERY_MS = 5000;
/** What calls for somebody: as compose/advice.py has it. */
const LATE_S = 60;
const COMPLETE = 0.9;
const find = (id) => document.getElementById(id);
let language = (navigator.language || "de").startsWith("en") ? "en" : "de";
let key = sessionStorage.getItem("key") || "";
let last = null;

const text = (name) => TEXTS[language][name];
const number = (value) => (value == null ? "–" : new Intl.NumberFormat(language).format(value));
const percent = (share) =>
  share == null ? "–" : new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(share);
const moment = (iso) =>
  iso ? new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "medium" }).format(new Date(iso)) : text("never");

/** Make an element; texts are set as texts, never as markup. */
function make(tag, content, className) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (content instanceof Node) element.append(content);
  else if (content != null) element.textContent = content;
  return element;
}

/** Make a sentence in which commands stand between backticks. */
function sentence(words) {
  const element = make("span");
  words.split("`").forEach((part, place) => element.append(place % 2 ? make("code", part) : part));
  return element;
}

/** Fill a table. Columns: [heading, value of a row, class of the cell]; `empty` is said where there are no rows. */
function fill(id, columns, rows, empty = text("none")) {
  const table = find(id);
  const head = make("tr");
  for (const [heading, , kind] of columns) {
    const cell = make("th", text(heading), kind === "number" ? "number" : "");
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr");
    for (const [, value, kind] of columns) line.append(make("td", value(row), kind || ""));
    body.append(line);
  }
  if (!rows.length) {
    const cell = make("td", empty);
    cell.colSpan = columns.length;
    const line = make("tr");
    line.append(cell);
    body.append(line);
  }
  const top = make("thead");
  top.append(head);
  table.replaceChildren(top, body);
}

const mark = (good, words) => make("span", (good ? "✓ " : "▲ ") + words, good ? "mark" : "mark bad");

function show(data) {
  last = data;
  find("login").hidden = true;
  find("all").hidden = false;
  find("city").textContent = data.city || "";
  lose(false);
  find("state").textContent = `${text("asOf")} ${moment(data.now || new Date().toISOString())}`;
  const advice = data.advice.map((each) => {
    const item = make("li", null, each.level);
    item.append(make("strong", (each.level === "problem" ? "✕ " : "▲ ") + each[language]), sentence(each[`do_${language}`]));
    return item;
  });
  if (!advice.length) {
    const item = make("li", null, "good");
    item.append(make("strong", `✓ ${text("well")}`), make("span", text("wellMore")));
    advice.push(item);
  }
  find("advice").replaceChildren(...advice);

  const sources = Object.entries(data.status.sources);
  const sum = (name) => sources.reduce((total, [, each]) => total + each[name], 0);
  const dead = Object.values(data.status.deadLetters).reduce((total, each) => total + each, 0);
  const lag = data.status.lagSeconds;
  // Name, value, whether somebody has to look.
  const numbers = [
    ["received", number(sum("received"))], ["delivered", number(sum("delivered"))], ["pending", number(data.status.pending)],
    ["lag", `${number(Math.round(lag * 10) / 10)} s`, lag > LATE_S], ["dead", number(dead), dead > 0],
  ];
  if (data.devices) {
    const { registered, silent, complete } = data.devices;
    numbers.push(["registered", number(registered)], ["silent", number(silent), silent > 0], ["complete", percent(complete), complete != null && complete < COMPLETE]);
  }
  find("numbers").replaceChildren(...numbers.map(([name, value, bad]) => {
    const box = make("div", null, bad ? "bad" : "");
    box.append(make("dt", text(name)), make("dd", value));
    return box;
  }));
  fill("sources", [
    ["source", ([name]) => name],
    ["connected", ([, each]) => (each.connected == null ? text("push") : mark(each.connected, text(each.connected ? "yes" : "no")))],
    ["received", ([, each]) => number(each.received), "number"], ["delivered", ([, each]) => number(each.delivered), "number"],
    ["duplicate", ([, each]) => number(each.duplicate), "number"], ["dead", ([, each]) => number(each.dead), "number"],
  ], sources);
  for (const id of ["devices", "letters", "subscriptions"]) find(id).closest("section").hidden = !data.devices;
  if (!data.devices) return;
  showDevices();
  fill("letters", [
    ["kind", (each) => each.kind], ["device", (each) => each.device || "–"], ["at", (each) => moment(each.receivedAt), "when"],
    ["reason", (each) => each.reason, "reason"],
  ], data.letters);
  fill("subscriptions", [
    ["name", (each) => each.name], ["endpoint", (each) => each.endpoint],
    ["state", (each) => mark(!each.failing, text(each.failing ? "failing" : "ok"))],
    ["sent", (each) => number(each.timesSent), "number"], ["failed", (each) => number(each.timesFailed), "number"],
    ["success", (each) => moment(each.lastSuccess), "when"], ["failure", (each) => moment(each.lastFailure), "when"],
  ], data.subscriptions, data.subscriptionsError || text("none"));
}

function showDevices() {
  const wanted = find("filter").value.toLowerCase();
  const rows = last.devices.worst.filter((each) => `${each.device} ${each.name || ""}`.toLowerCase().includes(wanted));
  fill("devices", [
    ["device", (each) => each.device], ["name", (each) => each.name || "–"],
    ["complete", (each) => percent(each.complete), "number"], ["received", (each) => number(each.received), "number"],
    ["missed", (each) => number(each.missed), "number"], ["lastSeen", (each) => moment(each.lastSeen), "when"],
    ["silentSince", (each) => (each.silentSince ? mark(false, moment(each.silentSince)) : "–"), "when"],
  ], rows);
}

function ask(refusal) {
  find("all").hidden = true;
  find("login").hidden = false;
  find("refusal").textContent = refusal;
  find("key").focus();
}

/** Say that what is shown is old, or that it no longer is. */
function lose(lost) {
  find("state").classList.toggle("lost", lost);
  document.querySelector("main").classList.toggle("lost", lost);
  if (lost) find("state").textContent = text("lost");
}

/** Ask for the numbers once. */
async function refresh() {
  let answer;
  try {
    answer = await fetch("/api/operations", { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  } catch {
    lose(true);
    return;
  }
  if (answer.status === 401 || answer.status === 403) {
    const problem = await answer.json();
    ask(key && answer.status === 401 ? text("refused") : answer.status === 403 ? problem.detail : "");
    return;
  }
  if (!answer.ok) {
    lose(true);
    return;
  }
  show(await answer.json());
}

function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  find("language").textContent = text("language");
  find("language").lang = language === "de" ? "en" : "de";
  document.title = `Volme · ${text("title")}`;
  if (last) show(last);
}

find("language").addEventListener("click", () => {
  language = language === "de" ? "en" : "de";
  translate();
});
find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  key = find("key").value;
  sessionStorage.setItem("key", key);
  refresh();
});
find("filter").addEventListener("input", showDevices);
translate();
refresh();
setInterval(() => {
  if (!document.hidden && find("login").hidden) refresh();
}, EVERY_MS);

// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/**
 * The live map. The graphics card draws the stations; over those in view lie buttons that can be reached by
 * keyboard and read aloud: Tab goes to the points, arrow keys from one to the next, Enter opens.
 */

import { Map as Engine } from "../vendor/maplibre/maplibre-gl.mjs";
import { ageOf } from "./ages.js";
import { address } from "./list.js";
import { addStations, attribution, baseStyle } from "./mapstyle.js";
import { chip, element, sign, trend } from "./marks.js";
import { filled, texts } from "./texts.js";

const LAYERS = ["points", "clusters"];
const MOST_BUTTONS = 80;
const REACH = 12;
/** How long a base map from elsewhere is waited for. */
const GROUND_MS = 8000;
const TILED = new Set(["vector", "raster"]);

export class LiveMap {
  /**
   * @param {HTMLElement} place
   * @param {import("./stations.js").Stations} stations
   * @param {import("./list.js").List} list
   */
  static async on(place, stations, list) {
    const map = new LiveMap(place, stations, list, await texts());
    await map.drawn;
    return map;
  }

  constructor(place, stations, list, all) {
    Object.assign(this, { place, stations, list, all });
    this.canvas = element("div", { class: "map-live" });
    place.append(this.canvas);
    const style = place.dataset.basemap || baseStyle();
    this.box = this.#box();
    this.map = new Engine({
      container: this.canvas,
      style,
      bounds: this.box,
      fitBoundsOptions: { padding: 24 },
      minZoom: 8.5,
      maxZoom: 18,
      attributionControl: false,
      cooperativeGestures: matchMedia("(pointer: coarse)").matches,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      locale: { "Map.Title": all["map.label"] },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.scrollZoom.disable();
    this.map.getCanvas().addEventListener("focus", () => this.map.scrollZoom.enable());
    this.map.getCanvas().addEventListener("blur", () => this.map.scrollZoom.disable());
    this.drawn = this.#drawn().then(() => this.#start());
  }

  /** Wait for the base map; one from elsewhere that does not come is no reason to have none. */
  async #drawn() {
    const { map, place } = this;
    if (!place.dataset.basemap) {
      await new Promise((resolve, reject) => {
        map.once("load", resolve);
        map.once("error", ({ error }) => reject(error));
      });
      return;
    }
    map.on("error", ({ error }) => console.warn("The base map:", error.message));
    let styled = false;
    let told;
    const ground = new Promise((resolve) => {
      told = setTimeout(() => resolve(false), GROUND_MS);
      map.on("error", () => styled || resolve(false));
      map.on("data", ({ tile, source }) => tile && TILED.has(source?.type) && resolve(true));
      map.once("style.load", () => {
        styled = true;
        if (!Object.values(map.getStyle().sources).some(({ type }) => TILED.has(type))) resolve(true);
      });
    });
    const came = await ground;
    clearTimeout(told);
    if (came) place.querySelector(".map-note").textContent = attribution(map) || new URL(place.dataset.basemap).host;
    else await this.#ownBase();
  }

  async #ownBase() {
    this.place.dataset.basemap = "";
    const ready = new Promise((resolve) => this.map.once("style.load", resolve));
    this.map.setStyle(baseStyle(), { diff: false });
    await ready;
  }

  #start() {
    const { map, list, place } = this;
    this.#tools();
    this.#show();
    this.points = element("div", { class: "map-points", role: "group", "aria-label": this.all["map.markers"] });
    place.append(this.points);
    this.points.addEventListener("keydown", (event) => this.#walk(event));
    map.on("idle", () => this.#place());
    // A base map of which a part never comes is never idle.
    let soon;
    const later = () => {
      clearTimeout(soon);
      soon = setTimeout(() => this.#place(), 400);
    };
    map.on("moveend", later);
    map.on("sourcedata", ({ sourceId, isSourceLoaded }) => sourceId === "stations" && isSourceLoaded && later());
    map.on("move", () => this.#move());
    map.on("click", (event) => this.#hit(event.point));
    map.on("mousemove", (event) => {
      map.getCanvas().style.cursor = this.#near(event.point) ? "pointer" : "";
    });
    list.addEventListener("chosen", () => this.#data());
    list.addEventListener("pick", ({ detail }) => this.#pick(detail));
    let due;
    this.stations.addEventListener("one", () => {
      due ??= setTimeout(() => {
        due = undefined;
        this.#data();
      }, 2000);
    });
    addEventListener("appearance", () => {
      if (place.dataset.basemap) return;
      map.setStyle(baseStyle(), { diff: false });
      map.once("style.load", () => this.#show());
    });
  }

  /** The box around the stations' city, from the drawing below. */
  #box() {
    const at = [...this.stations.byId.values()].map((station) => station.at).filter(Boolean);
    const west = Math.min(7.382, ...at.map(([x]) => x));
    const east = Math.max(7.622, ...at.map(([x]) => x));
    const south = Math.min(51.263, ...at.map(([, y]) => y));
    const north = Math.max(51.4215, ...at.map(([, y]) => y));
    return [west, south, east, north];
  }

  #collection() {
    return {
      type: "FeatureCollection",
      features: this.list.chosen
        .filter((station) => station.at)
        .map((station) => {
          const stale = this.stations.stale(station);
          return {
            type: "Feature",
            geometry: { type: "Point", coordinates: station.at },
            properties: { id: station.id, sign: stale ? "ms" : `m${station.level}`, level: stale ? 0 : station.level },
          };
        }),
    };
  }

  #show() {
    addStations(this.map, this.#collection());
  }

  #data() {
    this.map.getSource("stations")?.setData(this.#collection());
  }

  #tools() {
    const button = (icon, words, act) => {
      const made = element("button", { type: "button", "aria-label": this.all[words], title: this.all[words] }, sign(`i-${icon}`, "icon"));
      made.addEventListener("click", act);
      return made;
    };
    this.place.append(
      element(
        "div",
        { class: "map-buttons" },
        button("plus", "map.zoomin", () => this.map.zoomIn()),
        button("minus", "map.zoomout", () => this.map.zoomOut()),
        button("home", "map.home", () => this.map.fitBounds(this.box, { padding: 24 })),
      ),
    );
  }

  /** Put a button over each sign in view, west to east; the one that had the focus keeps it. */
  #place() {
    if (!this.map.getLayer("points")) return;
    this.place.querySelector(".map-static").hidden = true;
    const found = new Map();
    for (const feature of this.map.queryRenderedFeatures({ layers: LAYERS })) {
      const id = feature.properties.id ?? `cluster ${feature.properties.cluster_id}`;
      if (!found.has(id) && found.size < MOST_BUTTONS) found.set(id, feature);
    }
    const key = [...found].map(([id, feature]) => `${id}${feature.properties.point_count ?? ""}`).sort().join();
    if (key !== this.key) {
      this.key = key;
      const focused = this.points.contains(document.activeElement) ? document.activeElement.dataset.id : null;
      const order = [...found].sort(([, a], [, b]) => a.geometry.coordinates[0] - b.geometry.coordinates[0]);
      this.points.replaceChildren(...order.map(([id, feature]) => this.#button(id, feature)));
      const buttons = [...this.points.children];
      const first = buttons.find((button) => button.dataset.id === focused) ?? buttons[0];
      if (first) first.tabIndex = 0;
      if (focused) first?.focus({ preventScroll: true });
    }
    this.#move();
  }

  #button(id, { properties, geometry }) {
    const station = this.stations.byId.get(properties.id);
    const words = station
      ? `${station.name}: ${this.list.value(station)}${station.word ? `, ${this.all[`word.${station.word}`]}` : ""}${station.simulated ? `, ${this.all.simulated}` : ""}`
      : filled(this.all, "map.cluster", { n: properties.point_count });
    const made = element("button", { type: "button", tabindex: -1, "data-id": id, "aria-label": words });
    made.at = geometry.coordinates;
    made.addEventListener("click", () => (station ? this.#open(station, made) : this.#zoom(properties.cluster_id, made.at)));
    made.addEventListener("focus", () => {
      for (const other of this.points.children) other.tabIndex = other === made ? 0 : -1;
    });
    return made;
  }

  #move() {
    for (const button of this.points.children) {
      const { x, y } = this.map.project(button.at);
      button.style.transform = `translate(${x}px, ${y}px)`;
    }
  }

  #walk(event) {
    const buttons = [...this.points.children];
    const here = buttons.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = step ? buttons[(here + step + buttons.length) % buttons.length] : { Home: buttons[0], End: buttons.at(-1) }[event.key];
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
  }

  #near({ x, y }) {
    const box = [[x - REACH, y - REACH], [x + REACH, y + REACH]];
    return this.map.getLayer("points") && this.map.queryRenderedFeatures(box, { layers: LAYERS })[0];
  }

  #hit(point) {
    const feature = this.#near(point);
    if (!feature) return this.#close();
    const station = this.stations.byId.get(feature.properties.id);
    if (station) this.#open(station);
    else this.#zoom(feature.properties.cluster_id, feature.geometry.coordinates);
  }

  async #zoom(cluster, center) {
    const zoom = await this.map.getSource("stations").getClusterExpansionZoom(cluster);
    this.map.easeTo({ center, zoom: Math.max(zoom, this.map.getZoom() + 1) });
  }

  /** Say what a station measures, over the map; `from` gets the focus back. */
  #open(station, from) {
    this.#close();
    const { all } = this;
    const close = element("button", { class: "round", type: "button", "aria-label": all["map.close"] }, sign("i-close", "icon"));
    const link = element("a", { href: address(station) }, all["map.open"]);
    this.card = element(
      "section",
      { class: "map-card", "aria-label": station.name },
      element("h3", {}, station.name),
      close,
      element("p", { class: "card-line" }, element("strong", {}, this.list.value(station)), chip(all, station, this.stations.stale(station)), trend(all, station)),
      element(
        "p",
        { class: "foot" },
        station.newest ? ageOf(all, station.newest) : all["age.never"],
        ...(station.simulated ? [element("span", { class: "tag" }, all.simulated)] : []),
        link,
      ),
    );
    const shut = () => {
      this.#close();
      from?.focus();
    };
    close.addEventListener("click", shut);
    this.card.addEventListener("keydown", (event) => event.key === "Escape" && shut());
    this.place.append(this.card);
    if (from) link.focus();
    this.list.mark(station.id);
    this.#pick(station.id);
  }

  #close() {
    this.card?.remove();
    this.card = null;
    this.list.mark(null);
    this.#pick(null);
  }

  #pick(id) {
    const at = this.stations.byId.get(id)?.at;
    const features = at ? [{ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: at } }] : [];
    this.map.getSource("picked")?.setData({ type: "FeatureCollection", features });
  }
}

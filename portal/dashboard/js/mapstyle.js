// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** How the map looks: our own base map and the stations, in the colours of the page's style sheet. */

import { asset } from "./texts.js";

const SIZE = 26;
const RATIO = 2;

/** @returns {(name: string) => string} colours of the style sheet by name. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

const is = (...kinds) => ["match", ["get", "kind"], kinds, true, false];
const wide = (...stops) => ["interpolate", ["exponential", 1.4], ["zoom"], ...stops];

/** @returns {object} MapLibre style of the base map alone. */
export function baseStyle() {
  const c = colours();
  const font = [getComputedStyle(document.body).fontFamily];
  const names = (id, kind, size, minzoom) => ({
    id,
    type: "symbol",
    source: "city",
    minzoom,
    filter: is(kind),
    layout: { "text-field": ["get", "name"], "text-font": font, "text-size": size, "text-padding": 4 },
    paint: { "text-color": c("label"), "text-halo-color": c("land"), "text-halo-width": 1.6 },
  });
  return {
    version: 8,
    sources: { city: { type: "geojson", data: asset("map/hagen.geojson") } },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": c("sunken") } },
      { id: "land", type: "fill", source: "city", filter: is("city"), paint: { "fill-color": c("land") } },
      { id: "wood", type: "fill", source: "city", filter: is("wood"), paint: { "fill-color": c("wood") } },
      {
        id: "districts", type: "line", source: "city", filter: is("district"),
        paint: { "line-color": c("border"), "line-width": 1.2, "line-dasharray": [4, 3] },
      },
      { id: "lakes", type: "fill", source: "city", filter: is("lake"), paint: { "fill-color": c("water") } },
      {
        id: "brooks", type: "line", source: "city", filter: is("brook"), layout: { "line-cap": "round" },
        paint: { "line-color": c("water"), "line-width": wide(10, 1.4, 15, 5) },
      },
      {
        id: "rivers", type: "line", source: "city", filter: is("river"), layout: { "line-cap": "round", "line-join": "round" },
        paint: { "line-color": c("water"), "line-width": wide(10, 3, 15, 16) },
      },
      {
        id: "roads", type: "line", source: "city", filter: is("road"), layout: { "line-join": "round" },
        paint: { "line-color": c("road"), "line-width": wide(10, 1.4, 15, 7) },
      },
      {
        id: "motorways", type: "line", source: "city", filter: is("motorway"), layout: { "line-join": "round" },
        paint: { "line-color": c("motorway"), "line-width": wide(10, 2.2, 15, 10) },
      },
      { id: "outline", type: "line", source: "city", filter: is("city"), paint: { "line-color": c("border"), "line-width": 2 } },
      {
        id: "river-names", type: "symbol", source: "city", minzoom: 9.8, filter: is("river"),
        layout: { "symbol-placement": "line", "text-field": ["get", "name"], "text-font": font, "text-size": 13, "symbol-spacing": 320 },
        paint: { "text-color": c("label"), "text-halo-color": c("water"), "text-halo-width": 1.2 },
      },
      names("places", "place", 13, 10.2),
      names("district-names", "district-name", 16, 8),
    ],
  };
}

/** Sources and layers of the stations. */
export function addStations(map, data) {
  const c = colours();
  for (const [name, image] of signs(c)) if (!map.hasImage(name)) map.addImage(name, image, { pixelRatio: RATIO });
  map.addSource("stations", {
    type: "geojson", data, cluster: true, clusterRadius: 34, clusterMaxZoom: 15,
    clusterProperties: { worst: ["max", ["get", "level"]] },
  });
  map.addSource("picked", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
  map.addLayer({
    id: "picked", type: "circle", source: "picked",
    paint: { "circle-radius": 19, "circle-color": c("focus"), "circle-opacity": 0.3, "circle-stroke-color": c("focus"), "circle-stroke-width": 3 },
  });
  map.addLayer({
    id: "clusters", type: "symbol", source: "stations", filter: ["has", "point_count"],
    layout: {
      "icon-image": ["concat", "c", ["get", "worst"]],
      "icon-size": ["step", ["get", "point_count"], 1, 10, 1.2, 50, 1.4],
      "icon-allow-overlap": true, "text-allow-overlap": true, "icon-ignore-placement": true, "text-ignore-placement": true,
      "text-field": ["to-string", ["get", "point_count"]], "text-font": fontOf(map),
      "text-size": 14,
    },
    paint: { "text-color": c("ink"), "text-halo-color": c("panel"), "text-halo-width": 1.5 },
  });
  map.addLayer({
    id: "points", type: "symbol", source: "stations", filter: ["!", ["has", "point_count"]],
    layout: { "icon-image": ["get", "sign"], "icon-allow-overlap": true, "icon-ignore-placement": true, "symbol-sort-key": ["get", "level"] },
  });
}

/** The typeface of numbers: ours where the browser draws letters, one of the base map's where that brings its own. */
function fontOf(map) {
  const { glyphs, layers } = map.getStyle();
  if (!glyphs) return [getComputedStyle(document.body).fontFamily];
  const fonts = layers.map(({ layout }) => layout?.["text-font"]).filter((font) => Array.isArray(font) && font.every((part) => typeof part === "string"));
  return fonts.find(([first]) => first !== "literal") ?? ["Open Sans Regular", "Arial Unicode MS Regular"];
}

/** Who a base map from elsewhere is of, as plain text. */
export function attribution(map) {
  const said = Object.keys(map.getStyle().sources).map((id) => map.getSource(id)?.attribution ?? "");
  const plain = said.map((html) => new DOMParser().parseFromString(html, "text/html").body.textContent.trim());
  return [...new Set(plain.filter(Boolean))].join(" · ");
}

/** The signs of sprite.html as images: colour and shape for each level. */
function* signs(c) {
  for (const level of [0, 1, 2, 3, 4, 5]) {
    yield [`m${level}`, drawn(SIZE, (pen) => shape(pen, level, c(`l${level}`), c(`l${level}e`), c("panel")))];
    yield [`c${level}`, drawn(34, (pen) => cluster(pen, c(`l${level}e`), c("panel")))];
  }
  yield ["ms", drawn(SIZE, (pen) => {
    pen.setLineDash([3.4, 2.6]);
    ring(pen, 13, 8.5, c("panel"), c("lse"), 2.2);
  })];
}

function drawn(size, draw) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * RATIO;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.scale(RATIO, RATIO);
  pen.lineJoin = "round";
  draw(pen);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

function ring(pen, middle, radius, fill, edge, width) {
  pen.beginPath();
  pen.arc(middle, middle, radius, 0, 7);
  pen.fillStyle = fill;
  pen.fill();
  pen.strokeStyle = edge;
  pen.lineWidth = width;
  pen.stroke();
}

function cluster(pen, edge, fill) {
  ring(pen, 17, 14, fill, edge, 3.5);
}

const CORNERS = {
  3: [[13, 2.5], [23.5, 13], [13, 23.5], [2.5, 13]],
  4: [[13, 3], [24, 22.5], [2, 22.5]],
  5: [[8.4, 2], [17.6, 2], [24, 8.4], [24, 17.6], [17.6, 24], [8.4, 24], [2, 17.6], [2, 8.4]],
};

function shape(pen, level, fill, edge, halo) {
  pen.beginPath();
  if (level in CORNERS) {
    for (const [x, y] of CORNERS[level]) pen.lineTo(x, y);
    pen.closePath();
  } else if (level === 2) {
    pen.roundRect(4, 4, 18, 18, 5);
  } else {
    pen.arc(13, 13, level === 1 ? 9.5 : 8.5, 0, 7);
  }
  pen.strokeStyle = halo;
  pen.lineWidth = 4.5;
  pen.stroke();
  pen.fillStyle = fill;
  pen.fill();
  pen.strokeStyle = edge;
  pen.lineWidth = 2;
  pen.stroke();
  if (level === 0) ring(pen, 13, 2.4, edge, edge, 0.5);
  if (level === 5) {
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2.6;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(13, 7.5);
    pen.lineTo(13, 14);
    pen.moveTo(13, 18.2);
    pen.lineTo(13, 18.3);
    pen.stroke();
  }
}

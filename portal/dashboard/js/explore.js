// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** Map and list of stations: what the filters leave, in both. */

import { Stations } from "./stations.js";
import { List } from "./list.js";
import { text } from "./texts.js";

/** Take over the list that the server wrote, then bring the map. */
export async function explore() {
  const section = document.getElementById("karte");
  let stations;
  try {
    stations = await Stations.load();
  } catch {
    return; // The list stays as the server wrote it; live.js says that the connection is lost.
  }
  const list = new List(section, stations, section.dataset.topic);
  await list.ready;
  const place = document.getElementById("map");
  if (!canDraw()) {
    place.append(note(await text("map.static")));
    return;
  }
  // The engine is large: it comes after the text has been there for a while.
  await new Promise((then) => (window.requestIdleCallback ?? setTimeout)(then));
  try {
    const { LiveMap } = await import("./map.js");
    await LiveMap.on(place, stations, list);
    const help = section.querySelector(".map-help");
    if (matchMedia("(pointer: coarse)").matches) help.textContent = await text("map.touch");
    help.hidden = false;
  } catch (error) {
    console.warn("The map cannot be shown:", error);
    place.querySelector(".map-live")?.remove();
    place.append(note(await text("map.static")));
  }
}

function canDraw() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

function note(words) {
  const made = document.createElement("p");
  made.className = "map-message";
  made.setAttribute("role", "note");
  made.textContent = words;
  return made;
}

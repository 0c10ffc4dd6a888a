// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** What every page does; what one kind of page does is loaded by its name. */

import { setUpAppearance, setUpCopying } from "./controls.js";
import { tickAges } from "./ages.js";
import { followPage } from "./refresh.js";

const page = document.body.dataset.page;
setUpAppearance();
setUpCopying();
tickAges();
if (page !== "message" && page !== "prose") followPage();
// Map and list are the heaviest: they come when somebody comes near to them.
const map = document.getElementById("karte");
if (map) near(map).then(async () => (await import("./explore.js")).explore());
if (document.getElementById("chart")) import("./station.js").then(({ station }) => station());

// The typeface comes after the text: nobody waits for it.
addEventListener("load", () => {
  Promise.all(["400", "700"].map((weight) => document.fonts.load(`${weight} 1em "Atkinson Hyperlegible Next"`))).then(
    (faces) => faces.every((each) => each.length) && document.documentElement.classList.add("fonts"),
    () => {},
  );
});

/** Wait until a part of the page is nearly in view. */
function near(part) {
  return new Promise((then) => {
    const seen = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        seen.disconnect();
        then();
      },
      { rootMargin: "400px" },
    );
    seen.observe(part);
  });
}

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
if (document.getElementById("karte")) import("./explore.js").then(({ explore }) => explore());
if (document.getElementById("chart")) import("./station.js").then(({ station }) => station());

// The typeface comes after the text: nobody waits for it.
addEventListener("load", () => {
  document.fonts.load('1em "Atkinson Hyperlegible Next"').then(
    (faces) => faces.length && document.documentElement.classList.add("fonts"),
    () => {},
  );
});

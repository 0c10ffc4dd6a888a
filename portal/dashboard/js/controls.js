// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** Small controls: light or dark, copying, printing. */

import { text } from "./texts.js";

/** Let the reader switch between light and dark; the choice stays on this device. */
export function setUpAppearance() {
  const button = document.querySelector(".appearance");
  if (!button) return;
  button.hidden = false;
  const dark = () => {
    const chosen = document.documentElement.dataset.appearance;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    const chosen = dark() ? "light" : "dark";
    document.documentElement.dataset.appearance = chosen;
    try {
      localStorage.setItem("appearance", chosen);
    } catch {
      // Storage is off: the choice holds for this page.
    }
    show();
    dispatchEvent(new CustomEvent("appearance"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    show();
    dispatchEvent(new CustomEvent("appearance"));
  });
  show();
}

/** Buttons that copy what stands in another element, and those that print. */
export function setUpCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const before = button.textContent;
      button.textContent = await text("copied");
      setTimeout(() => (button.textContent = before), 2000);
    });
  }
  for (const button of document.querySelectorAll(".print")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
}

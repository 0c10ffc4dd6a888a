// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** A curve on its bands, drawn by uPlot. Everything that it shows stands in the table below it, too. */

import { colours } from "./mapstyle.js";
import { number, when } from "./format.js";
import { asset, locale } from "./texts.js";

const ZONE = "Europe/Berlin";
/** A curve is never drawn higher than a range of so many of its last digits asks for: noise is no mountain. */
const LEAST_STEPS = 6;
let loading;

/** Bring uPlot: a classic script that makes one global name. */
function engine() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: asset("vendor/uplot/uPlot.min.css") });
    const script = Object.assign(document.createElement("script"), { src: asset("vendor/uplot/uPlot.iife.min.js") });
    script.addEventListener("load", () => resolve(window.uPlot));
    script.addEventListener("error", reject);
    document.head.append(style, script);
  });
  return loading;
}

/**
 * Draw.
 * @param {HTMLElement} place
 * @param {import("./history.js").Course} course
 * @param {{label: string, symbol: string, digits: number, show: (value: number) => number,
 *   bands: number[], levels: number[], words: string[], bars: boolean, from: number, to: number, time: string, least: string, most: string}} how
 * @returns {Promise<{destroy: () => void}>}
 */
export async function draw(place, course, how) {
  const UPlot = await engine();
  const c = colours();
  const shown = (value) => (value == null ? null : how.show(value));
  const { points } = course;
  const data = [points.map(({ at }) => at / 1000), points.map(({ value }) => shown(value))];
  const ranged = points.some(({ min }) => min != null) && !how.bars;
  if (ranged) data.push(points.map(({ min }) => shown(min)), points.map(({ max }) => shown(max)));
  const written = (value) => (value == null ? "–" : `${number(value, how.digits)}${how.symbol ? ` ${how.symbol}` : ""}`);
  const font = `14px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: c("muted"), font, grid: { stroke: c("line"), width: 1 }, ticks: { stroke: c("line"), width: 1 } };
  const days = how.to - how.from > 2 * 86_400_000;
  const onAxis = new Intl.DateTimeFormat(locale, {
    timeZone: ZONE,
    ...(days ? { day: "numeric", month: "numeric" } : { hour: "2-digit", minute: "2-digit" }),
  });
  const newest = data[1].findLastIndex((value) => value != null);
  const options = {
    width: place.clientWidth,
    height: Math.max(280, Math.min(380, place.clientWidth * 0.5)),
    tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), ZONE),
    scales: { x: { time: true, range: () => [how.from / 1000, how.to / 1000] }, y: { range: (_, low, high) => space(low, high, how) } },
    axes: [
      { ...axis, space: 70, values: (_, seconds) => seconds.map((each) => onAxis.format(each * 1000)) },
      { ...axis, size: 64, values: (_, values) => values.map((each) => number(each, decimals(values))) },
    ],
    series: [
      { label: how.time, value: (_, seconds) => (seconds == null ? "–" : when(seconds * 1000)) },
      {
        label: how.label,
        stroke: c("l1"),
        width: 2.4,
        fill: how.bars ? `${c("l1")}66` : undefined,
        paths: how.bars ? UPlot.paths.bars({ size: [0.8, 40] }) : undefined,
        points: { show: points.length < 60, size: 6, fill: c("l1") },
        value: (_, value) => written(value),
      },
      ...(ranged
        ? [how.least, how.most].map((label) => ({ label, stroke: "transparent", points: { show: false }, value: (_, value) => written(value) }))
        : []),
    ],
    bands: ranged ? [{ series: [3, 2], fill: `${c("l1")}2e` }] : [],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
    hooks: {
      drawClear: [(plot) => bands(plot, how, c)],
      setCursor: [(plot) => plot.cursor.idx == null && plot.legend.idx !== newest && plot.setLegend({ idx: newest })],
      draw: [(plot) => flags(plot, points, data, c)],
    },
  };
  place.replaceChildren();
  const plot = new UPlot(options, data, place);
  plot.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  plot.setLegend({ idx: newest });
  const watch = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: plot.height }));
  watch.observe(place);
  return {
    destroy() {
      watch.disconnect();
      plot.destroy();
    },
  };
}

/** Room above and below the curve; bars stand on zero. */
function space(low, high, { bars, digits }) {
  if (low == null) return [0, 1];
  const lacks = Math.max(0, LEAST_STEPS * 10 ** -digits - (high - low)) / 2;
  const room = (high - low) * 0.12 + lacks;
  return [bars || (low >= 0 && low - room < 0) ? 0 : low - room, high + room];
}

/** How many digits tell the values of an axis apart. */
function decimals(values) {
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) : 1;
  return step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step) - 1e-6));
}

/** The scale's bands behind the curve, each with its word. */
function bands(plot, how, c) {
  if (!how.bands.length) return;
  const { ctx, bbox } = plot;
  const edges = [-Infinity, ...how.bands.map(how.show), Infinity];
  const { min, max } = plot.scales.y;
  ctx.save();
  ctx.font = `${13 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  for (let band = 0; band < edges.length - 1; band++) {
    const low = Math.max(edges[band], min);
    const high = Math.min(edges[band + 1], max);
    if (high <= low) continue;
    const top = plot.valToPos(high, "y", true);
    const bottom = plot.valToPos(low, "y", true);
    ctx.fillStyle = `${c(`l${how.levels[band]}`)}30`;
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    if (bottom - top > 20 * devicePixelRatio) {
      ctx.fillStyle = c("muted");
      ctx.fillText(how.words[band], bbox.left + 8 * devicePixelRatio, top + 16 * devicePixelRatio);
    }
  }
  ctx.restore();
}

/** Values that are flagged as doubtful are open circles. */
function flags(plot, points, data, c) {
  const { ctx } = plot;
  ctx.save();
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.strokeStyle = c("l4e");
  ctx.fillStyle = c("panel");
  points.forEach(({ flag }, number) => {
    if (!flag || data[1][number] == null) return;
    ctx.beginPath();
    ctx.arc(plot.valToPos(data[0][number], "x", true), plot.valToPos(data[1][number], "y", true), 5 * devicePixelRatio, 0, 7);
    ctx.fill();
    ctx.stroke();
  });
  ctx.restore();
}

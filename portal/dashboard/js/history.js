// SPDX-FileCopyrightText: 2026 The Volme contributors
// SPDX-License-Identifier: EUPL-1.2
/** The course of a value, from the NGSI-LD temporal interface: single values of a day, means of longer times. */

const HOUR = 3600_000;
const DAY = 24 * HOUR;

/** Length of the means, by the longest time that they are for; null: the values themselves. */
const PERIODS = [
  [1.5 * DAY, null],
  [8 * DAY, ["PT1H", HOUR, "chart.hour"]],
  [45 * DAY, ["PT6H", 6 * HOUR, "chart.hours"]],
  [Infinity, ["P1D", DAY, "chart.day"]],
];

/**
 * @typedef {object} Course
 * @property {{at: number, value: number|null, min?: number, max?: number, flag?: string}[]} points in order of
 *   time (ms); a value of null is a gap.
 * @property {string|null} period key of the text that names the length of the means; null: single values.
 */

/**
 * Ask for a course.
 * @param {{id: string, type: string, name: string, counter: boolean}} what
 * @param {number} from ms @param {number} to ms
 * @returns {Promise<Course>}
 */
export async function course(what, from, to) {
  let [, period] = PERIODS.find(([longest]) => to - from <= longest);
  if (what.counter) period ??= ["PT1H", HOUR, "chart.hour"];
  if (!period) {
    const found = await single(what, from, to);
    if (found) return { points: withGaps(found), period: null };
    period = ["PT15M", HOUR / 4, "chart.minutes"];
  }
  const points = await means(what, from, to, period);
  return { points: what.counter ? used(points, period[1]) : points, period: period[2] };
}

async function ask(what, from, to, more) {
  const asked = new URLSearchParams({
    type: what.type,
    id: what.id,
    attrs: what.name,
    timerel: "between",
    timeAt: new Date(from).toISOString(),
    endTimeAt: new Date(to).toISOString(),
    ...more,
  });
  const answer = await fetch(`/ngsi-ld/v1/temporal/entities?${asked}`, { headers: { Prefer: "maxpagesize=5000" } });
  if (answer.status === 404) return { attribute: null, whole: true };
  if (!answer.ok) throw new Error(`${answer.status}`);
  const [entity] = await answer.json();
  return { attribute: entity?.[what.name] ?? null, whole: answer.status !== 206 };
}

/** The values themselves; null where they are more than one answer holds. */
async function single(what, from, to) {
  const { attribute, whole } = await ask(what, from, to);
  if (!whole) return null;
  return [attribute ?? []]
    .flat()
    .filter(({ value, observedAt }) => typeof value === "number" && observedAt)
    .map(({ value, observedAt, quality }) => ({
      at: Date.parse(observedAt),
      value,
      flag: quality && typeof quality === "object" ? quality.value : quality,
    }))
    .sort((a, b) => a.at - b.at);
}

async function means(what, from, to, [length, ms]) {
  const start = Math.floor(from / ms) * ms;
  const { attribute } = await ask(what, start, to, {
    options: "aggregatedValues",
    aggrMethods: "avg,min,max",
    aggrPeriodDuration: length,
  });
  const rows = new Map();
  for (const method of ["avg", "min", "max"]) {
    for (const [value, since] of attribute?.[method] ?? []) {
      const at = Date.parse(since);
      if (!rows.has(at)) rows.set(at, { at: at + ms / 2 });
      rows.get(at)[{ avg: "value" }[method] ?? method] = value;
    }
  }
  const points = [...rows.values()].filter(({ value }) => typeof value === "number").sort((a, b) => a.at - b.at);
  return points.flatMap((point, number) =>
    number && point.at - points[number - 1].at > 1.5 * ms ? [{ at: points[number - 1].at + ms, value: null }, point] : [point],
  );
}

/** Of a counter's readings, what was used from one period to the next. */
function used(points, ms) {
  const known = points.filter(({ value }) => value !== null);
  return known.slice(1).map((point, number) => {
    const before = known[number];
    const gap = point.at - before.at > 1.5 * ms || point.max < before.max;
    return { at: point.at, value: gap ? null : point.max - before.max };
  });
}

/** Where a station was silent much longer than it is otherwise, there is a gap. */
function withGaps(points) {
  const steps = points.slice(1).map((point, number) => point.at - points[number].at);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const longest = Math.max(4 * usual, 10 * 60_000);
  return points.flatMap((point, number) =>
    number && steps[number - 1] > longest ? [{ at: points[number - 1].at + usual, value: null }, point] : [point],
  );
}

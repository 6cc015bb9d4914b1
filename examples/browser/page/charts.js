// Charts: the distribution of probabilities, lines over steps, intervals, and a spectrum.

import { add, axisBelow, chart } from "./svg.js";

/** The value at a share of the sorted values, between neighbours where need be. */
function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)];
  return low + (at % 1) * (sorted[Math.ceil(at)] - low);
}

/** In how many draws each class is the most probable one. */
export function firsts(values, classes) {
  const counts = new Array(classes).fill(0);
  for (let at = 0; at < values.length; at += classes) {
    const draw = values.subarray(at, at + classes);
    counts[draw.indexOf(Math.max(...draw))] += 1;
  }
  return counts;
}

/**
 * The probabilities of each class over draws: a dot a draw, a box over the middle half, a line at
 * the median, and in how many draws the class is the most probable one.
 * @param {Float32Array} values draws × classes
 */
export function distribution(place, values, classes, label) {
  const draws = values.length / classes.length;
  const wins = firsts(values, classes.length);
  const rows = classes.map((name, index) => {
    const each = Float32Array.from({ length: draws }, (_, d) => values[d * classes.length + index]);
    const sorted = each.slice().sort();
    const [least, low, median, high, most] = [0, 0.25, 0.5, 0.75, 1].map((s) =>
      quantile(sorted, s),
    );
    return { name, index, each, least, low, median, high, most };
  });
  const two = (value) => value.toFixed(2);
  const text = rows.map(
    (row) =>
      `${row.name}: median ${two(row.median)}, ` +
      `half between ${two(row.low)} and ${two(row.high)}, ` +
      `all between ${two(row.least)} and ${two(row.most)}, first in ${wins[row.index]}`,
  );
  const left = 20 + 7.5 * Math.max(4, ...classes.map((name) => name.length));
  const [step, top] = [26, 26];
  const bottom = top + step * rows.length;
  chart(
    place,
    `Probabilities over ${draws} draws. ${text.join("; ")}.`,
    bottom + 40,
    (svg, width) => {
      const right = width - 80;
      const at = (value) => left + value * (right - left);
      axisBelow(
        svg,
        [
          [0, "0"],
          [0.25, "0.25"],
          [0.5, "0.5"],
          [0.75, "0.75"],
          [1, "1"],
        ],
        at,
        top,
        bottom,
      );
      add(svg, "text", { x: 0, y: 14 }, "class");
      add(svg, "text", { x: width, y: 14, "text-anchor": "end" }, "first in");
      const middle = (left + right) / 2;
      add(svg, "text", { x: middle, y: bottom + 34, "text-anchor": "middle" }, "probability");
      for (const row of rows) {
        const y = top + (row.index + 0.5) * step;
        const group = add(svg, "g", { class: row.index === label ? "true" : "other" });
        const name = row.index === label ? `${row.name} ✓` : row.name;
        add(group, "text", { x: 0, y: y + 4 }, name);
        const count = `${wins[row.index]} of ${draws}`;
        add(group, "text", { x: width, y: y + 4, "text-anchor": "end" }, count);
        const dots = [...row.each].map((value, draw) => {
          // The golden ratio spreads the dots evenly over the height of the row.
          const shift = (((draw + 1) * 0.618034) % 1) * 14 - 7;
          return `M${at(value).toFixed(1)} ${(y + shift).toFixed(1)}h0`;
        });
        add(group, "path", { class: "dots", d: dots.join("") });
        const [x, end] = [at(row.low), at(row.high)];
        add(group, "rect", {
          class: "box",
          x,
          y: y - 8,
          width: Math.max(1, end - x),
          height: 16,
          rx: 3,
        });
        add(group, "path", { class: "median", d: `M${at(row.median)} ${y - 9}v18` });
      }
    },
  );
}

/**
 * Lines over the steps of an attack, one panel each.
 * @param {number} steps the last step of the axis
 * @param {number[]} taken the step of each value
 * @param {{name: string, values: number[], low?: number, high?: number, mark?: number,
 *   show: (value: number) => string}[]} panels
 */
export function lines(place, steps, taken, panels) {
  const [left, tall, gap, top] = [52, 72, 50, 28];
  const text = panels.map(({ name, values, show }) => {
    const [first, end] = [show(values[0]), show(values.at(-1))];
    return `${name}: ${first} at first, ${end} at the last step shown`;
  });
  const height = top + panels.length * (tall + gap) - gap + 22;
  chart(place, `${taken.at(-1)} of ${steps} steps. ${text.join("; ")}.`, height, (svg, width) => {
    const right = width - 10;
    const at = (step) => left + ((step - 1) / Math.max(1, steps - 1)) * (right - left);
    panels.forEach((panel, index) => {
      const y = top + index * (tall + gap);
      const low = panel.low ?? Math.min(...panel.values, panel.mark ?? Infinity);
      const most = panel.high ?? Math.max(...panel.values, panel.mark ?? -Infinity);
      const high = most > low ? most : low + 1;
      const up = (value) => y + tall - ((value - low) / (high - low)) * tall;
      add(svg, "text", { class: "name", x: 0, y: y - 14 }, panel.name);
      for (const value of [low, high]) {
        const line = { class: "grid", x1: left, x2: right, y1: up(value), y2: up(value) };
        add(svg, "line", line);
        const place = { x: left - 8, y: up(value) + 4, "text-anchor": "end" };
        add(svg, "text", place, panel.show(value));
      }
      if (panel.mark !== undefined && panel.mark > low && panel.mark < high) {
        const y = up(panel.mark);
        add(svg, "line", { class: "mark", x1: left, x2: right, y1: y, y2: y });
        add(svg, "text", { x: left - 8, y: y + 4, "text-anchor": "end" }, panel.show(panel.mark));
      }
      const points = panel.values.map(
        (value, point) => `${at(taken[point]).toFixed(1)} ${up(value).toFixed(1)}`,
      );
      add(svg, "path", { class: "line", d: `M${points.join("L")}` });
      const [cx, cy] = points.at(-1).split(" ");
      add(svg, "circle", { class: "point", cx, cy, r: 3.5 });
    });
    const y = height - 6;
    add(svg, "text", { x: left, y, "text-anchor": "middle" }, "1");
    add(svg, "text", { x: (left + right) / 2, y, "text-anchor": "middle" }, "step");
    if (steps > 1) add(svg, "text", { x: right, y, "text-anchor": "end" }, String(steps));
  });
}

/**
 * Probabilities with their intervals, a bar each.
 * @param {{name: string, probability: number, low: number, high: number}[]} rows
 */
export function intervals(place, rows) {
  const percent = (value) => `${(100 * value).toFixed(1)}\u00a0%`;
  const text = rows.map(
    ({ name, probability, low, high }) =>
      `${name}: ${percent(probability)}, interval ${percent(low)} to ${percent(high)}`,
  );
  const [step, top] = [52, 4];
  const bottom = top + step * rows.length;
  chart(place, `Right in a draw. ${text.join("; ")}.`, bottom + 40, (svg, width) => {
    const [left, right] = [16, width - 20];
    const at = (value) => left + value * (right - left);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((value) => [value, `${100 * value} %`]);
    axisBelow(svg, ticks, at, top, bottom);
    const label = "probability that one draw is right";
    add(svg, "text", { x: width / 2, y: bottom + 34, "text-anchor": "middle" }, label);
    rows.forEach((row, index) => {
      const y = top + index * step;
      add(svg, "text", { class: "name", x: left + 6, y: y + 18 }, row.name);
      const bar = {
        class: "bar",
        x: left,
        y: y + 26,
        width: at(row.probability) - left,
        height: 16,
      };
      add(svg, "rect", bar);
      const ends = `M${at(row.low)} ${y + 27}v14m0 -7H${at(row.high)}m0 -7v14`;
      add(svg, "path", { class: "interval", d: ends });
    });
  });
}

/** Eigenvalues as bars, the largest first. */
export function spectrum(place, values) {
  const [left, top, bottom] = [60, 32, 172];
  const high = values[0] > 0 ? values[0] : 1;
  const show = (value) => (value === 0 ? "0" : value.toExponential(1));
  const text = values.slice(0, 8).map(show).join(", ");
  const more = values.length > 8 ? `, and ${values.length - 8} smaller ones` : "";
  chart(place, `Eigenvalues, the largest first: ${text}${more}.`, bottom + 40, (svg, width) => {
    const wide = (width - left - 8) / values.length;
    const up = (value) => bottom - (value / high) * (bottom - top);
    add(svg, "text", { class: "name", x: 0, y: 12 }, "eigenvalue");
    for (const value of [0, high / 2, high]) {
      const y = up(value);
      add(svg, "line", { class: "grid", x1: left, x2: width - 8, y1: y, y2: y });
      add(svg, "text", { x: left - 8, y: y + 4, "text-anchor": "end" }, show(value));
    }
    values.forEach((value, index) => {
      const x = left + index * wide;
      const y = up(Math.max(0, value));
      const bar = { class: "bar", x, y, width: Math.max(1, wide * 0.8), height: bottom - y };
      add(svg, "rect", bar);
    });
    add(svg, "text", { x: left, y: bottom + 16 }, "1");
    const end = { x: width - 8, y: bottom + 16, "text-anchor": "end" };
    add(svg, "text", end, String(values.length));
    const middle = { x: (left + width) / 2, y: bottom + 34, "text-anchor": "middle" };
    add(svg, "text", middle, "rank of the eigenvalue");
  });
}

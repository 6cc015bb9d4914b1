// SVG: drawings at the width of their place, made again when that changes, with their numbers as
// text. Colours come from the style sheet by class.

const NS = "http://www.w3.org/2000/svg";

/** Adds an element with its attributes and its text. */
export function add(parent, name, attributes = {}, text = "") {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

const drawings = new WeakMap();

function redraw(place) {
  const { text, height, draw } = drawings.get(place);
  const width = place.clientWidth;
  if (width === 0) return;
  const svg = document.createElementNS(NS, "svg");
  const size = {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": text,
  };
  for (const [key, value] of Object.entries(size)) svg.setAttribute(key, value);
  draw(svg, width);
  drawings.get(place).width = width;
  place.replaceChildren(svg);
}

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.clientWidth !== drawings.get(target).width) redraw(target);
  }
});

/** Draws a chart in a place; `text` holds its numbers. */
export function chart(place, text, height, draw) {
  drawings.set(place, { text, height, draw });
  redraw(place);
  observer.observe(place);
}

/** Grid lines with numbers below them. */
export function axisBelow(svg, ticks, at, top, bottom) {
  for (const [value, label] of ticks) {
    add(svg, "line", { class: "grid", x1: at(value), x2: at(value), y1: top, y2: bottom });
    add(svg, "text", { x: at(value), y: bottom + 16, "text-anchor": "middle" }, label);
  }
}

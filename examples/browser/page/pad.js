// The pad: a grid of cells to draw on, by mouse, by finger, or by arrow keys and space.

/**
 * Fills a place with an empty pad.
 * @param {(pixels: Float32Array) => void} onDrawn hears the pixels after each stroke
 * @returns {() => void} clears the pad
 */
export function makePad(place, { height, width }, onDrawn) {
  const pixels = new Float32Array(height * width);
  const cells = Array.from(pixels, (_, at) => {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.tabIndex = at === 0 ? 0 : -1;
    const [row, column] = [Math.floor(at / width) + 1, (at % width) + 1];
    cell.setAttribute("aria-label", `Row ${row}, column ${column}`);
    return cell;
  });

  function set(at, ink) {
    pixels[at] = ink;
    cells[at].setAttribute("aria-pressed", String(ink === 1));
  }

  function focus(at) {
    for (const cell of cells) cell.tabIndex = -1;
    cells[at].tabIndex = 0;
    // The page must not scroll away under the pointer.
    cells[at].focus({ preventScroll: true });
  }

  function clear() {
    cells.forEach((_, at) => set(at, 0));
  }

  let ink;
  place.onpointerdown = (event) => {
    const at = cells.indexOf(event.target);
    if (at < 0) return;
    event.preventDefault();
    event.target.releasePointerCapture(event.pointerId);
    focus(at);
    ink = 1 - pixels[at];
    set(at, ink);
  };
  place.onpointerover = (event) => {
    const at = cells.indexOf(event.target);
    if (at >= 0 && ink !== undefined && event.buttons > 0) set(at, ink);
  };
  const lift = () => {
    if (ink === undefined) return;
    ink = undefined;
    onDrawn(pixels.slice());
  };
  place.onpointerup = lift;
  place.onpointerleave = lift;
  place.onpointercancel = lift;

  place.onkeydown = (event) => {
    const at = cells.indexOf(event.target);
    const [row, column] = [Math.floor(at / width), at % width];
    const moves = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
    };
    if (event.key === " " || event.key === "Enter") {
      set(at, 1 - pixels[at]);
      onDrawn(pixels.slice());
    } else if (moves[event.key]) {
      const [toRow, toColumn] = moves[event.key];
      const inside = toRow >= 0 && toRow < height && toColumn >= 0 && toColumn < width;
      if (inside) focus(toRow * width + toColumn);
    } else {
      return;
    }
    event.preventDefault();
  };

  place.style.setProperty("--columns", width);
  place.replaceChildren(...cells);
  clear();
  return clear;
}

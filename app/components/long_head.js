// A head of many tokens. What is sent is one part of it, pooled where that is large; to zoom is to ask for another part.
// `message.long` holds: part [top, left, rows, columns] and whole [rows, columns], in rows and columns of the whole head;
// cell [rows, columns] that one cell covers; pooling; asks, whether there is somebody to ask for another part; strongest
// [query, key, weight, query token, key token] of all of it.

const FEWEST = 8, AROUND = 64, MOST_LINKED = 96;

const longHead = {
  /** Whether links would be too many, so that the strongest pairs stand in their place. */
  crowded: ({ long, query_tokens, key_tokens }) => Boolean(long) && Math.max(query_tokens.length, key_tokens.length) > MOST_LINKED,

  isWhole: ({ part, whole }) => part[2] === whole[0] && part[3] === whole[1],

  /** From a window in cells of what was sent to rows and columns of the whole head, as text; "" for all of it. */
  asked({ part, whole, cell }, window) {
    if (!window) return "";
    const range = (first, count, axis) => {
      const size = Math.min(whole[axis], Math.max(FEWEST, Math.round(count * cell[axis])));
      const start = Math.round(part[axis] + first * cell[axis] + (count * cell[axis] - size) / 2);
      return [Math.min(whole[axis] - size, Math.max(0, start)), size];
    };
    const [[top, rows], [left, columns]] = [range(window.top, window.rows, 0), range(window.left, window.columns, 1)];
    return rows === whole[0] && columns === whole[1] ? "" : [top, left, rows, columns].join(",");
  },

  /** The part around one pair of the whole head. */
  around({ whole }, query, key) {
    const range = (position, axis) => {
      const size = Math.min(whole[axis], AROUND);
      return [Math.min(whole[axis] - size, Math.max(0, position - size / 2)), size];
    };
    const [[top, rows], [left, columns]] = [range(query, 0), range(key, 1)];
    return [top, left, rows, columns].join(",");
  },

  /** Which rows (axis 0) or columns (1) of the whole head a cell covers: "812", or "808–815". */
  positions({ part, cell }, index, axis) {
    const first = part[axis] + index * cell[axis], last = Math.min(first + cell[axis], part[axis] + part[axis + 2]) - 1;
    return first === last ? String(first) : `${first}–${last}`;
  },

  /** What the number of a pooled cell is. */
  told({ cell, pooling }) {
    const size = `${cell[0]} × ${cell[1]} weights`;
    return cell[0] * cell[1] === 1 ? "" : pooling === "mean" ? `mean of ${size}` : `largest of ${size}`;
  },

  /** In the corner above the labels: where in the whole head the shown part lies. */
  drawMap(context, palette, place, { part, whole }) {
    const room = Math.min(place.left, place.top) - 10, across = Math.min(room, 64 * place.type);
    if (across < 18) return;
    const down = (across * whole[0]) / whole[1] > room ? room : (across * whole[0]) / whole[1];
    const [x, y] = [Math.max(1, place.left - across - 8), Math.max(1, place.top - down - 8)];
    context.strokeStyle = palette.quiet;
    context.lineWidth = 1;
    context.strokeRect(x, y, across, down);
    context.fillStyle = palette.accent;
    const size = (count, axis, length) => Math.max(3, (count * length) / whole[axis]);
    context.fillRect(x + (part[1] * across) / whole[1], y + (part[0] * down) / whole[0], size(part[3], 1, across), size(part[2], 0, down));
  },

  /** The strongest pairs as a list of buttons; `onPair` is told which one was chosen. */
  list(element, { strongest }, onPair) {
    const title = document.createElement("p");
    title.textContent = strongest.length ? "Strongest, off the diagonal and the sinks" : "No weight off the diagonal and the sinks";
    const rows = strongest.map(([query, key, weight, from, to]) => {
      const button = document.createElement("button"), pair = document.createElement("span"), number = document.createElement("b");
      button.type = "button";
      button.title = `query ${query}: ${from}, key ${key}: ${to}`;
      pair.textContent = `${clipped(from, 12)} → ${clipped(to, 12)}`;
      number.textContent = weight.toFixed(3);
      button.append(pair, number);
      button.addEventListener("click", () => onPair(query, key));
      return button;
    });
    element.replaceChildren(title, ...rows);
  },
};

// A matrix of numbers with named rows and columns: states by dimension, similarities of tokens or of layers. Cells are as wide
// and as high as there is room, and where several share a pixel, picture and pointer mean the one of largest magnitude.

const valueMatrices = new WeakMap();
const LINE = 26, WIDEST_CELL = 64, TALLEST_PICTURE = 0.66, SHORT_NAME = 5;
const MATRIX_HINT = "Drag to zoom, double-click to see all. Click a cell, a row or a column to keep it.";

class ValueMap extends HeadMatrix {
  /** All cells take the room that the whole matrix has, so that zooming does not move what stands below. */
  layout(width, height, context) {
    const { tallest } = this, { query_tokens, key_tokens, marked_columns, square } = this.message;
    const type = typeScale(this.root);
    const widest = (names, size) => {
      context.font = fontOf(this.root, size);
      return Math.max(0, ...names.map((name) => context.measureText(clipped(name, 12)).width));
    };
    const line = Math.max(1, Math.min(LINE * type, (tallest - 90 * type) / query_tokens.length));
    const size = type * Math.min(15, Math.max(12, line * 0.62)), columnSize = 13 * type;
    const left = Math.min(0.34 * width, widest(query_tokens, size) + 14);
    const short = key_tokens.every((name) => Array.from(name).length <= SHORT_NAME);
    const names = widest(key_tokens, columnSize);
    const right = short ? Math.max(6, names / 2) : Math.min(70 * type, 0.56 * names + 4);
    const widestCell = Math.min(WIDEST_CELL * type, (width - left - right) / key_tokens.length);
    const cell = square ? Math.min(widestCell, Math.max(line, (tallest - 90 * type) / query_tokens.length)) : widestCell;
    const upright = short || names + 6 <= cell;
    const marks = short && marked_columns.length ? 20 * type : 0;
    const top = 20 * type + marks + (upright ? 22 * type : Math.min(100 * type, 0.82 * names + 14));
    const across = cell * key_tokens.length, down = (square ? cell : line) * query_tokens.length;
    const { rows, columns } = this.shown;
    return { width, height: top + down + 4, left, top, right, across, down, upright, short, names, type, size, columnSize, cell: across / columns, line: down / rows };
  }

  draw(palette, width, tallest, focus) {
    this.tallest = tallest;
    const { height } = this.layout(width, tallest, this.canvas.getContext("2d"));
    super.draw(palette, width, height, focus);
  }

  drawLabels(context, palette, place, focus) {
    const [down, across] = this.message.axes;
    super.drawLabels(context, palette, place, focus);
    context.font = fontOf(this.root, 13 * place.type);
    context.fillStyle = palette.quiet;
    context.textAlign = "left";
    context.fillText(`${down} ↓   ${across} →`, 0, 8 * place.type);
    this.drawMarks(context, palette, place);
  }

  drawColumnLabels(context, palette, place, focus) {
    if (!place.short) return super.drawColumnLabels(context, palette, { ...place, size: place.columnSize }, focus);
    const { columns, left } = this.shown;
    const room = place.names + 8 * place.type, step = roundStep(room / place.cell), marked = this.message.marked_columns;
    const clear = (column, other) => Math.abs(column - other) * place.cell >= room;
    const x = (column) => place.left + (column - left + 0.5) * place.cell;
    context.textAlign = "center";
    for (let column = left; column < left + columns; column++) {
      const strong = column === focus.key;
      const free = (focus.key < 0 || clear(column, focus.key)) && marked.every((other) => Math.abs(column - other) * place.cell >= room / 2);
      if (marked.includes(column) || (!strong && (column % step || !free))) continue;
      context.save();
      context.translate(x(column), place.top - 12 * place.type);
      this.write(context, palette, { ...place, size: place.columnSize }, this.message.key_tokens[column], true, strong);
      context.restore();
    }
    let last = -Infinity;
    for (const column of [...marked].sort((one, other) => one - other)) {
      if (column < left || column >= left + columns || x(column) - last < room) continue;
      last = x(column);
      context.save();
      context.translate(last, place.top - 32 * place.type);
      this.write(context, palette, { ...place, size: place.columnSize }, this.message.key_tokens[column], false, true);
      context.restore();
    }
  }

  /** A tick at each row and column that is marked; one whose number has no room still has its tick. */
  drawMarks(context, palette, place) {
    const { top, left, rows, columns } = this.shown;
    const inside = (index, first, count) => index >= first && index < first + count;
    context.fillStyle = palette.accent;
    for (const column of this.message.marked_columns.filter((index) => inside(index, left, columns))) {
      const tall = place.short ? 24 * place.type : 8;
      context.fillRect(place.left + (column - left + 0.5) * place.cell - 0.75, place.top - tall, 1.5, tall - 1);
    }
    for (const row of this.message.marked_rows.filter((index) => inside(index, top, rows))) {
      context.fillRect(place.left - 6, place.top + (row - top + 0.5) * place.line - 0.75, 5, 1.5);
    }
  }

  /** Where cells are smaller than a pixel, the one of largest magnitude under the pointer: the one whose colour is seen. */
  at(x, y) {
    const { left, top, cell, line } = this.place, found = super.at(x, y);
    if ((cell >= 1 && line >= 1) || found.query < 0 || found.key < 0) return found;
    const { weights, key_tokens } = this.message, shown = this.shown;
    const span = (at, size, first, count) => [first + Math.floor(at / size), first + Math.min(count, Math.max(Math.floor(at / size) + 1, Math.floor((at + 1) / size)))];
    const [firstRow, endRow] = span(Math.floor(y - top), line, shown.top, shown.rows);
    const [firstColumn, endColumn] = span(Math.floor(x - left), cell, shown.left, shown.columns);
    let best = found, strength = -1;
    for (let query = Math.max(shown.top, firstRow); query < endRow; query++) {
      for (let key = Math.max(shown.left, firstColumn); key < endColumn; key++) {
        const magnitude = Math.abs(weights[query * key_tokens.length + key]);
        if (magnitude > strength) [best, strength] = [{ query, key }, magnitude];
      }
    }
    return best;
  }

  choose({ query, key }) {
    if (query >= 0 || key >= 0) this.onSelect({ query, key });
  }

  press(event) {
    const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!across) return super.press(event);
    event.preventDefault();
    this.onStep(across, "key");
  }

  /** Move what is zoomed into until a cell is inside it. */
  reveal({ query, key }) {
    if (!this.window) return;
    const moved = (first, count, at) => (at < 0 ? first : Math.min(at, Math.max(first, at - count + 1)));
    const { top, left, rows, columns } = this.window;
    this.window = { rows, columns, top: moved(top, rows, query), left: moved(left, columns, key) };
  }
}

class ValueMatrix {
  constructor(root) {
    this.root = root;
    this.tooltip = tooltipIn(root);
    this.map = new ValueMap(root, root.querySelector("canvas"), this.tooltip, {
      onSelect: (cell) => this.select(cell), onHover: (found) => this.hover(found), onStep: (by, axis) => this.step(by, axis),
      tell: (query, key) => this.tell(query, key), legend: false,
    });
    this.hovered = null;
    this.stop = followPage(root, () => this.draw());
  }

  update(message, pick) {
    const found = /^(?:r(\d+))?(?:c(\d+))?$/.exec(message.selected) || [];
    const [query, key] = [found[1], found[2]].map((index) => (index === undefined ? -1 : Number(index)));
    Object.assign(this, { message, pick, selected: { query, key }, hovered: null });
    const plain = (names) => names.map(() => false);
    this.map.update({
      ...message, weights: message.values, query_tokens: message.rows, key_tokens: message.columns,
      query_special: plain(message.rows), key_special: plain(message.columns), scale: "linear", maximum: message.limit,
    });
    this.map.canvas.setAttribute("aria-label", message.description);
    this.draw();
  }

  get focus() {
    return this.hovered || this.selected;
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.message || width < 60) return;
    const started = performance.now();
    const palette = paletteFor(this.root, this.message.palettes);
    this.map.draw(palette, width, givenRoom(this.root) || TALLEST_PICTURE * window.innerHeight, this.focus);
    this.drawLegends(palette);
    this.root.querySelector(".line").replaceChildren(...this.lineOf(this.focus));
    const { left, top, cell, line } = this.map.place;
    Object.assign(this.root.dataset, {
      drawMilliseconds: (performance.now() - started).toFixed(1), place: JSON.stringify({ left, top, cell, line }),
      selected: `${this.selected.query} ${this.selected.key}`, focus: `${this.focus.query} ${this.focus.key}`,
    });
  }

  drawLegends(palette) {
    const { limit, diverging, label, beyond, missing } = this.message;
    const end = String(Number(limit.toPrecision(4))), ends = diverging ? `−${end} to +${end}` : `0 to ${end}`;
    const keys = [legendKey(`${ends}, ${label}${beyond && `; ${beyond}`}`, rampBackground(diverging ? palette.diverging : palette.sequential), palette)];
    if (missing) keys.push(legendKey("no value", palette.masked, palette, "masked"));
    this.root.querySelector(".legends").replaceChildren(...keys);
  }

  value(query, key) {
    return this.message.values[query * this.message.columns.length + key];
  }

  written(query, key) {
    const value = this.value(query, key);
    return Number.isNaN(value) ? "no value" : numberText(value);
  }

  /** What a row (axis 0) or a column (axis 1) is: its name, and its place where the name does not say it. */
  named(axis, index) {
    const name = this.message[axis ? "columns" : "rows"][index], title = this.message.axes[axis];
    return name === String(index) ? `${title} ${name}` : `${title} ${name}, place ${index}`;
  }

  tell(query, key) {
    return [this.written(query, key), this.named(0, query), this.named(1, key)];
  }

  /** One line under the matrix: the cell in focus, or the three largest magnitudes of the row or column in focus. */
  lineOf({ query, key }) {
    const strong = document.createElement("b"), quiet = document.createElement("span");
    const { rows, columns } = this.message;
    if (query >= 0 && key >= 0) {
      strong.textContent = this.written(query, key);
      quiet.textContent = ` ${this.named(0, query)}; ${this.named(1, key)}`;
    } else if (query >= 0 || key >= 0) {
      const [names, at] = query >= 0 ? [columns, (index) => this.value(query, index)] : [rows, (index) => this.value(index, key)];
      const known = names.map((_, index) => index).filter((index) => !Number.isNaN(at(index)));
      const largest = known.sort((one, other) => Math.abs(at(other)) - Math.abs(at(one))).slice(0, 3);
      strong.textContent = query >= 0 ? rows[query] : columns[key];
      quiet.textContent = largest.length ? ` is largest at ${largest.map((index) => `${names[index]} (${numberText(at(index))})`).join(", ")}` : " has no values";
    } else quiet.textContent = MATRIX_HINT;
    return [strong, quiet];
  }

  hover(found) {
    if (JSON.stringify(found) === JSON.stringify(this.hovered) && !this.map.drag) return;
    this.hovered = found;
    this.draw();
  }

  /** Select the next or the previous row or column. */
  step(by, axis = "query") {
    const last = this.message[axis === "key" ? "columns" : "rows"].length - 1, current = this.selected[axis];
    const index = current < 0 ? (by > 0 ? 0 : last) : Math.min(last, Math.max(0, current + by));
    if (index === current) return;
    this.hovered = null;
    this.select({ ...this.selected, [axis]: index });
  }

  select(cell) {
    const same = cell.query === this.selected.query && cell.key === this.selected.key;
    this.selected = same ? { query: -1, key: -1 } : cell;
    this.map.reveal(this.selected);
    this.draw();
    const { query, key } = this.selected;
    this.pick({ row: query < 0 ? null : query, column: key < 0 ? null : key });
  }
}

/** The smallest of 1, 2, 5, 10, 20, 50, ... that is not smaller than `least`. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((base) => base * power).find((step) => step >= least) || 1;
}

/** A float32 in as few digits as tell it from its neighbours, at most seven; with a true minus. */
function numberText(value) {
  const short = [4, 5, 6, 7, 8, 9].map((digits) => Number(value.toPrecision(digits))).find((found) => Math.fround(found) === Math.fround(value));
  return String(short ?? value).replace(/-/g, "−");
}

function mountValueMatrix({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".headscope");
  if (!valueMatrices.has(root)) valueMatrices.set(root, new ValueMatrix(root));
  const matrix = valueMatrices.get(root);
  matrix.update(unpack(data), (cell) => setTriggerValue("pick", cell));
  root.dataset.updates = Number(root.dataset.updates || 0) + 1;
  return () => {
    matrix.stop();
    valueMatrices.delete(root);
  };
}

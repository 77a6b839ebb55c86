// The heatmap of one head: rows are queries, columns are keys, NaN is masked. Drag to zoom, double-click to see all;
// with the keyboard, up and down select a row, plus and minus zoom, 0 or Escape shows all. A message that is diverging has
// values of both signs, from -maximum over 0 to maximum; one with axes says what rows and columns are. Of a long head
// (long_head.js) `asks` says that there is a server to ask for other parts, and `onCell` is told of a click on a pooled cell.

const GAPS_FROM = 9;

class HeadMatrix {
  /** `tell` gives the lines of the tooltip of a cell; several beside each other may share row labels and legend. */
  constructor(root, canvas, tooltip, { onSelect, onHover, onStep, onZoom = () => {}, tell = null, rowLabels = true, legend = true }) {
    Object.assign(this, { root, canvas, tooltip, onSelect, onHover, onStep, onZoom, tell, rowLabels, legend });
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.end(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("dblclick", () => this.zoom(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  update(message) {
    const sizes = `${message.query_tokens.length} x ${message.key_tokens.length}`;
    // Another part of a long head is not looked at through the window of the one before.
    if (sizes !== this.sizes || String(message.long?.part) !== String(this.message?.long?.part)) this.window = null;
    this.sizes = sizes;
    this.message = message;
  }

  /** What stands beside the rows (axis 0) or over the columns (1): tokens, or positions where a cell covers several. */
  names(axis) {
    const { long, query_tokens, key_tokens } = this.message, tokens = axis ? key_tokens : query_tokens;
    return long && long.cell[axis] > 1 ? tokens.map((_, index) => String(long.part[axis] + index * long.cell[axis])) : tokens;
  }

  get shown() {
    const { query_tokens, key_tokens } = this.message;
    return this.window || { top: 0, left: 0, rows: query_tokens.length, columns: key_tokens.length };
  }

  layout(width, height, context) {
    const { rows, columns, top, left } = this.shown;
    const [query_tokens, key_tokens] = [this.names(0), this.names(1)];
    const type = typeScale(this.root);
    context.font = fontOf(this.root, 16 * type);
    const widest = (tokens, from, count) => Math.max(...tokens.slice(from, from + count).map((token) => context.measureText(clipped(token, 12)).width));
    const rowText = widest(query_tokens, top, rows), columnText = widest(key_tokens, left, columns);
    const rowRoom = (text) => (this.rowLabels ? Math.min(140 * type, text + 12) : 2);
    const cell = Math.min((width - rowRoom(rowText) - 4) / columns, (height - 60 * type) / rows);
    const upright = columnText + 6 <= cell;
    // Small cells have small labels, which need less room than they were measured to.
    const size = Math.min(16 * type, Math.max(12, cell * 0.7)), shrunk = size / (16 * type);
    const rowLabels = rowRoom(rowText * shrunk);
    const columnLabels = upright ? 24 * type : Math.min(112 * type, columnText * shrunk * 0.82 + 16);
    // The last labels lean out over the right edge.
    const after = Math.min(columns, Math.ceil((80 * type) / cell));
    const lean = (back) => 0.56 * shrunk * context.measureText(clipped(key_tokens[left + columns - 1 - back], 12)).width - back * cell;
    const right = upright ? 4 : Math.min(80 * type, Math.max(...Array.from({ length: after }, (_, back) => lean(back))) + 6);
    const bottom = this.legend ? 34 * type : 4;
    const square = Math.min((width - rowLabels - right) / columns, (height - columnLabels - bottom) / rows);
    return {
      width, height, upright, left: rowLabels, top: columnLabels, right, bottom, across: square * columns, down: square * rows,
      cell: square, line: square, type, size: Math.min(size, Math.max(12, square * 0.7)),
    };
  }

  draw(palette, width, height, focus) {
    if (!this.message || width < 60) return;
    const { context, ratio } = sharpContext(this.canvas, width, height);
    const place = (this.place = this.layout(width, height, context));
    context.putImageData(this.cells(context, ratio, palette, place), Math.round(place.left * ratio), Math.round(place.top * ratio));
    this.drawGaps(context, palette, place, this.shown.rows, this.shown.columns);
    this.drawLabels(context, palette, place, focus);
    this.drawFocus(context, palette, place, focus);
    if (this.legend) this.drawScale(context, palette, place);
    if (this.message.long && !longHead.isWhole(this.message.long)) longHead.drawMap(context, palette, place, this.message.long);
    if (this.drag) {
      const [x0, y0, x1, y1] = this.drag;
      context.strokeStyle = palette.accent;
      context.lineWidth = 1.5;
      context.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
  }

  /** The cells as pixels, made anew only when what they show has changed, so that hovering stays fast. */
  cells(context, ratio, palette, place) {
    const made = [this.shown, ratio, palette.background, place.across, place.down];
    if (this.image && this.imageOf === this.message && JSON.stringify(made) === this.imageMade) return this.image;
    this.imageOf = this.message;
    this.imageMade = JSON.stringify(made);
    this.image = this.paintCells(context, ratio, palette, place);
    return this.image;
  }

  /** Each pixel shows the strongest value among the cells that it covers; masked only where all of them are. */
  paintCells(context, ratio, palette, place) {
    const { rows, columns, top, left } = this.shown;
    const { weights, key_tokens } = this.message;
    const across = Math.max(1, Math.round(place.across * ratio)), down = Math.max(1, Math.round(place.down * ratio));
    const image = context.createImageData(across, down);
    const pixels = new Uint32Array(image.data.buffer);
    const colours = this.colours(palette);
    const levels = Int16Array.from(weights, (weight) => this.level(weight));
    const strengths = this.message.diverging ? levels.map((level) => (level < 0 ? -1 : Math.abs(2 * level - 255))) : levels;
    for (let y = 0; y < down; y++) {
      const first = Math.floor((y * rows) / down), last = Math.max(first + 1, Math.floor(((y + 1) * rows) / down));
      for (let x = 0; x < across; x++) {
        const from = Math.floor((x * columns) / across), to = Math.max(from + 1, Math.floor(((x + 1) * columns) / across));
        let level = -1, strength = -1;
        for (let row = first; row < last; row++) {
          for (let column = from; column < to; column++) {
            const cell = (top + row) * key_tokens.length + left + column;
            if (strengths[cell] > strength) [level, strength] = [levels[cell], strengths[cell]];
          }
        }
        pixels[y * across + x] = colours[level < 0 ? 256 : level];
      }
    }
    return image;
  }

  /** The level of a value on the colour scale, 0 to 255; -1 where it is masked. */
  level(value) {
    const { scale, maximum, diverging } = this.message;
    if (Number.isNaN(value)) return -1;
    const share = diverging ? 0.5 + 0.5 * Math.min(1, Math.max(-1, value / maximum)) : scalePosition(value, scale, maximum);
    return Math.round(255 * share);
  }

  /** The colours of all levels as pixels, and the masked grey at the end. */
  colours(palette) {
    const scale = this.message.diverging ? palette.diverging : palette.sequential;
    const all = [...scale, ...rgbOf(palette.masked)];
    return Uint32Array.from({ length: 257 }, (_, level) => {
      const [red, green, blue] = all.slice(3 * level, 3 * level + 3);
      return (255 << 24) | (blue << 16) | (green << 8) | red;
    });
  }

  drawGaps(context, palette, place, rows, columns) {
    context.strokeStyle = palette.background;
    context.lineWidth = 1;
    context.beginPath();
    for (let row = 0; place.line > GAPS_FROM && row <= rows; row++) {
      context.moveTo(place.left, place.top + row * place.line);
      context.lineTo(place.left + place.across, place.top + row * place.line);
    }
    for (let column = 0; place.cell > GAPS_FROM && column <= columns; column++) {
      context.moveTo(place.left + column * place.cell, place.top);
      context.lineTo(place.left + column * place.cell, place.top + place.down);
    }
    context.stroke();
  }

  drawLabels(context, palette, place, focus) {
    context.textBaseline = "middle";
    this.drawRowLabels(context, palette, place, focus);
    this.drawColumnLabels(context, palette, place, focus);
  }

  drawRowLabels(context, palette, place, focus) {
    const { rows, top } = this.shown, query_tokens = this.names(0);
    const { query_special } = this.message;
    for (const { row: query, strong } of this.labelled(top, rows, (place.size + 2) / place.line, [focus.query])) {
      context.save();
      context.textAlign = "right";
      context.translate(place.left - 7, place.top + (query - top + 0.5) * place.line);
      this.write(context, palette, place, query_tokens[query], query_special[query], strong);
      context.restore();
    }
  }

  drawColumnLabels(context, palette, place, focus) {
    const { columns, left } = this.shown, key_tokens = this.names(1);
    const { key_special } = this.message;
    for (const { row: key, strong } of this.labelled(left, columns, (place.size + 2) / place.cell, [focus.key])) {
      context.save();
      context.textAlign = place.upright ? "center" : "left";
      context.translate(place.left + (key - left + 0.5) * place.cell, place.top - 10);
      if (!place.upright) context.rotate(-Math.PI / 3.4);
      this.write(context, palette, place, key_tokens[key], key_special[key], strong);
      context.restore();
    }
  }

  /** Which rows (or columns) have their label written: the strong ones, and as many as there is room for beside them. */
  labelled(first, count, room, strongest) {
    const every = Math.max(1, Math.ceil(room)), kept = strongest.filter((other) => other >= first && other < first + count);
    const all = Array.from({ length: count }, (_, at) => ({ row: first + at, strong: kept.includes(first + at) }));
    return all.filter(({ row, strong }, at) => strong || (at % every === 0 && (every === 1 || kept.every((other) => Math.abs(row - other) >= every))));
  }

  write(context, palette, place, text, quiet, strong) {
    context.font = fontOf(this.root, place.size, strong ? 700 : 400);
    context.fillStyle = strong ? palette.accent : quiet ? palette.quiet : palette.text;
    context.fillText(clipped(text, 12), 0, 0);
  }

  drawFocus(context, palette, place, focus) {
    const { rows, columns, top, left } = this.shown;
    context.strokeStyle = palette.accent;
    context.lineWidth = 2;
    const row = focus.query - top, column = focus.key - left;
    if (focus.query >= 0 && row >= 0 && row < rows) context.strokeRect(place.left, place.top + row * place.line, place.across, Math.max(2, place.line));
    if (focus.key >= 0 && column >= 0 && column < columns) context.strokeRect(place.left + column * place.cell, place.top, Math.max(2, place.cell), place.down);
  }

  drawScale(context, palette, place) {
    const { scale, maximum, masked } = this.message;
    const { type } = place;
    const y = place.top + place.down + 12 * type, length = Math.min(150 * type, place.across * 0.5);
    for (let x = 0; x < length; x++) {
      context.fillStyle = levelColour(palette, x / length);
      context.fillRect(place.left + x, y, 1.5, 9 * type);
    }
    context.fillStyle = palette.quiet;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.font = fontOf(this.root, 12 * type);
    const text = `0 to ${maximum === 1 ? "1" : maximum.toFixed(3)}, ${scale}`;
    context.fillText(text, place.left + length + 8, y + 5 * type);
    if (masked && place.across > 330 * type) {
      const start = place.left + length + 18 + context.measureText(text).width;
      context.fillStyle = palette.masked;
      context.fillRect(start, y, 12, 9 * type);
      context.fillStyle = palette.quiet;
      context.fillText("masked", start + 17, y + 5 * type);
    }
  }

  /** The cell, row label or column label at a point: query or key is -1 where there is none. */
  at(x, y) {
    const { rows, columns, top, left } = this.shown;
    const row = Math.floor((y - this.place.top) / this.place.line), column = Math.floor((x - this.place.left) / this.place.cell);
    const inRows = row >= 0 && row < rows, inColumns = column >= 0 && column < columns;
    return { query: inRows && column < columns ? top + row : -1, key: inColumns && row < rows ? left + column : -1 };
  }

  begin(event) {
    if (!this.place || event.button) return;
    const [x, y] = pointerIn(event, this.canvas);
    this.origin = [x, y];
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.place) return;
    const [x, y] = pointerIn(event, this.canvas);
    if (this.origin && Math.hypot(x - this.origin[0], y - this.origin[1]) > 6) this.drag = [...this.origin, x, y];
    const found = this.at(x, y);
    this.canvas.style.cursor = found.query >= 0 && found.key >= 0 ? "crosshair" : found.query >= 0 || found.key >= 0 ? "pointer" : "default";
    this.onHover(found.query < 0 && found.key < 0 ? null : found);
    this.describe(event, found);
  }

  describe(event, { query, key }) {
    const { query_tokens, key_tokens, weights, axes = ["query", "key"] } = this.message;
    const lines = [];
    if (query >= 0 && key >= 0 && this.tell) lines.push(...this.tell(query, key));
    else if (query >= 0 && key >= 0) {
      const weight = weights[query * key_tokens.length + key];
      lines.push(`${query_tokens[query]} → ${key_tokens[key]}`);
      lines.push(Number.isNaN(weight) ? "masked: may not be attended to" : weight.toFixed(this.message.decimals));
      if (this.message.long && longHead.told(this.message.long)) lines.push(longHead.told(this.message.long));
      lines.push(`query ${this.number(query, 0)}, key ${this.number(key, 1)}`);
    } else if (query >= 0) lines.push(query_tokens[query], `${axes[0]} ${this.number(query, 0)}`);
    else if (key >= 0) lines.push(key_tokens[key], `${axes[1]} ${this.number(key, 1)}`);
    if (lines.length) this.tooltip.show(...pointerIn(event, this.root), lines);
    else this.tooltip.hide();
  }

  /** Which rows or columns of the whole head a cell stands for. */
  number(index, axis) {
    return this.message.long ? longHead.positions(this.message.long, index, axis) : String(index);
  }

  end(event) {
    const [x, y] = pointerIn(event, this.canvas);
    const drag = this.drag;
    this.drag = this.origin = null;
    if (!this.place) return;
    if (drag) return this.zoomTo(drag);
    this.choose(this.at(x, y));
  }

  choose({ query, key }) {
    if (this.onCell && query >= 0 && key >= 0) this.onCell(query, key);
    else if (query >= 0) this.onSelect(`q${query}`);
    else if (key >= 0) this.onSelect(`k${key}`);
  }

  zoomTo([x0, y0, x1, y1]) {
    const { rows, columns, top, left } = this.shown;
    const { cell, line } = this.place;
    const clamp = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value)));
    const [first, last] = [clamp((Math.min(y0, y1) - this.place.top) / line, rows), clamp((Math.max(y0, y1) - this.place.top) / line, rows)];
    const [from, to] = [clamp((Math.min(x0, x1) - this.place.left) / cell, columns), clamp((Math.max(x0, x1) - this.place.left) / cell, columns)];
    this.zoom({ top: top + first, left: left + from, rows: last - first + 1, columns: to - from + 1 });
  }

  wheel(event) {
    if (!(event.ctrlKey || event.metaKey) || !this.place) return;
    event.preventDefault();
    const { query, key } = this.at(...pointerIn(event, this.canvas));
    if (query >= 0 && key >= 0) this.zoomBy(event.deltaY < 0 ? 0.8 : 1.25, query, key);
  }

  press(event) {
    const { top, left, rows, columns } = this.shown;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      this.onStep(event.key === "ArrowUp" ? -1 : 1);
    } else if (event.key === "+" || event.key === "=") this.zoomBy(0.8, top + rows / 2, left + columns / 2);
    else if (event.key === "-") this.zoomBy(1.25, top + rows / 2, left + columns / 2);
    else if (event.key === "Escape" || event.key === "0") this.zoom(null);
  }

  zoomBy(factor, query, key) {
    const shown = this.shown;
    if (this.asks) return this.zoom({ top: query - (query - shown.top) * factor, left: key - (key - shown.left) * factor, rows: shown.rows * factor, columns: shown.columns * factor });
    const all = [this.message.query_tokens.length, this.message.key_tokens.length];
    const rows = Math.min(all[0], Math.max(2, Math.round(shown.rows * factor)));
    const columns = Math.min(all[1], Math.max(2, Math.round(shown.columns * factor)));
    const top = Math.round(Math.min(all[0] - rows, Math.max(0, query - ((query - shown.top) * rows) / shown.rows)));
    const left = Math.round(Math.min(all[1] - columns, Math.max(0, key - ((key - shown.left) * columns) / shown.columns)));
    this.zoom(rows === all[0] && columns === all[1] ? null : { top, left, rows, columns });
  }

  /** Show a window of what was sent, or of a long head ask for that part of it. */
  zoom(window) {
    if (this.asks) return this.onZoom(window);
    this.window = window;
    this.root.dataset.zoom = window ? `${window.rows} x ${window.columns}` : "all";
    this.onZoom(window);
    this.onHover(null);
  }

  leave() {
    if (this.origin) return;
    this.tooltip.hide();
    this.onHover(null);
  }
}

// Token links: queries on the left, keys on the right, a line for each weight above the threshold, wider with the weight.

const MOST_LINES = 3000;

class TokenLinks {
  constructor(root, canvas, tooltip, { onSelect, onHover }) {
    Object.assign(this, { root, canvas, tooltip, onSelect, onHover });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("click", (event) => this.click(event));
  }

  update(message) {
    this.message = message;
    const { query_tokens, key_tokens, weights, threshold } = message;
    this.lines = [];
    for (let query = 0; query < query_tokens.length; query++) {
      for (let key = 0; key < key_tokens.length; key++) {
        const weight = weights[query * key_tokens.length + key];
        if (weight >= threshold && weight > 0) this.lines.push([query, key, weight]);
      }
    }
    this.lines.sort((first, second) => first[2] - second[2]);
    this.found = this.lines.length;
    this.lines = this.lines.slice(-MOST_LINES);
  }

  layout(width, height) {
    const { query_tokens, key_tokens } = this.message;
    const rows = Math.max(query_tokens.length, key_tokens.length);
    const type = typeScale(this.root);
    const step = Math.min(34 * type, Math.max(13, (height - 34 * type) / rows));
    const size = Math.max(12, Math.min(16 * type, step * 0.62, width * 0.066));
    const longest = Math.max(...query_tokens.concat(key_tokens).map((token) => Math.min(14, Array.from(token).length)));
    const column = Math.min(longest * size * 0.61 + 4, width * 0.36);
    return { width, height: Math.max(height, rows * step + 34 * type), step, size, type, top: 28 * type, column };
  }

  draw(palette, width, height, focus) {
    if (!this.message || width < 80) return;
    const place = (this.place = this.layout(width, height));
    const { context } = sharpContext(this.canvas, place.width, place.height);
    context.font = fontOf(this.root, 12 * place.type);
    context.fillStyle = palette.quiet;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.fillText("query", place.column, 10 * place.type);
    context.textAlign = "left";
    context.fillText("key", width - place.column, 10 * place.type);
    const count = this.drawLines(context, palette, place, focus);
    this.drawTokens(context, palette, place, focus);
    if (this.found > count) {
      context.fillStyle = palette.quiet;
      context.textAlign = "center";
      context.fillText(`strongest ${count}`, width / 2, 10 * place.type);
    }
    if (!count) {
      context.fillStyle = palette.quiet;
      context.textAlign = "center";
      ["no weight", "as large as", String(this.message.threshold)].forEach((text, line) => context.fillText(text, width / 2, 60 + 17 * line));
    }
    this.root.dataset.links = count;
  }

  y(position) {
    return this.place.top + (position + 0.5) * this.place.step;
  }

  drawLines(context, palette, place, focus) {
    const chosen = focus.query >= 0 || focus.key >= 0;
    const inFocus = ([query, key]) => query === focus.query || key === focus.key;
    this.drawSet(context, this.lines.filter((line) => !chosen || !inFocus(line)), levelColour(palette, 0.62), chosen);
    if (chosen) this.drawSet(context, this.lines.filter(inFocus), palette.accent, false);
    context.globalAlpha = 1;
    return this.lines.length;
  }

  drawSet(context, lines, colour, faint) {
    const [from, to] = [this.place.column + 8, this.place.width - this.place.column - 8];
    const [first, second] = [from + (to - from) * 0.4, from + (to - from) * 0.6];
    context.strokeStyle = colour;
    for (const [query, key, weight] of lines) {
      context.globalAlpha = faint ? 0.16 * weight + 0.05 : 0.2 + 0.8 * Math.min(1, weight);
      context.lineWidth = (0.6 + 7 * Math.min(1, weight)) * this.place.type;
      context.beginPath();
      context.moveTo(from, this.y(query));
      context.bezierCurveTo(first, this.y(query), second, this.y(key), to, this.y(key));
      context.stroke();
    }
  }

  drawTokens(context, palette, place, focus) {
    const { size } = place;
    const { query_tokens, key_tokens, query_special, key_special } = this.message;
    const longest = Math.max(3, Math.floor(place.column / (size * 0.6)));
    const write = (tokens, special, x, align, strong) => {
      context.textAlign = align;
      tokens.forEach((token, position) => {
        const chosen = position === strong;
        context.font = fontOf(this.root, size, chosen ? 700 : 400);
        context.fillStyle = chosen ? palette.accent : special[position] ? palette.quiet : palette.text;
        context.fillText(clipped(token, longest), x, this.y(position));
      });
    };
    write(query_tokens, query_special, place.column, "right", focus.query);
    write(key_tokens, key_special, place.width - place.column, "left", focus.key);
  }

  at(event) {
    if (!this.place) return null;
    const [x, y] = pointerIn(event, this.canvas);
    const position = Math.floor((y - this.place.top) / this.place.step);
    const { query_tokens, key_tokens } = this.message;
    if (position < 0) return null;
    if (x < this.place.width / 2) return position < query_tokens.length ? { query: position, key: -1 } : null;
    return position < key_tokens.length ? { query: -1, key: position } : null;
  }

  move(event) {
    const found = this.at(event);
    this.canvas.style.cursor = found ? "pointer" : "default";
    this.onHover(found);
    if (!found) return this.tooltip.hide();
    const [tokens, position, side] = found.query >= 0 ? [this.message.query_tokens, found.query, "query"] : [this.message.key_tokens, found.key, "key"];
    this.tooltip.show(...pointerIn(event, this.root), [tokens[position], `${side} ${position}`]);
  }

  click(event) {
    const found = this.at(event);
    if (found) this.onSelect(found.query >= 0 ? `q${found.query}` : `k${found.key}`);
  }

  leave() {
    this.tooltip.hide();
    this.onHover(null);
  }
}

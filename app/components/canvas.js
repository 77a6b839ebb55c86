// Shared by the canvas components: reading a message, colours, and canvases that are sharp and follow light and dark.

const READERS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };

/** Read one message of packing.py: the header, with each array under its name. */
function unpack(bytes) {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const length = new DataView(buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const { name, dtype, shape, offset } of message.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    message[name] = new READERS[dtype](buffer, 4 + length + offset, count);
  }
  return message;
}

/** The palette that fits the page behind `element`: dark where the background is. */
function paletteFor(element, palettes) {
  const probe = getComputedStyle(element).getPropertyValue("--st-background-color").trim();
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = "#ffffff";
  canvas.fillStyle = probe || "#ffffff";
  const colour = canvas.fillStyle;
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const palette = 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? palettes.dark : palettes.light;
  return { ...palette, background: probe || palette.background };
}

/** Where a weight stands on the colour scale, in [0, 1]; the same formulas as theme.scale_position. */
function scalePosition(weight, scale, maximum) {
  const share = Math.min(1, Math.max(0, weight / Math.max(maximum, 1e-12)));
  if (scale === "square root") return Math.sqrt(share);
  if (scale === "log") return 1 - Math.log(Math.max(share, 1e-4)) / Math.log(1e-4);
  return share;
}

function levelColour(palette, position) {
  const level = 3 * Math.round(255 * position);
  return `rgb(${palette.sequential.slice(level, level + 3).join(",")})`;
}

function rgbOf(hexadecimal) {
  return [1, 3, 5].map((start) => parseInt(hexadecimal.slice(start, start + 2), 16));
}

/** One entry of a legend under a canvas: a swatch and what it stands for. */
function legendKey(text, background, palette, name = "") {
  const span = document.createElement("span"), swatch = document.createElement("i");
  swatch.style.background = background;
  swatch.className = name;
  span.style.color = palette.quiet;
  span.append(swatch, text);
  return span;
}

/** A colour scale [level, rgb] as the background of a swatch. */
function rampBackground(colours) {
  const stops = Array.from({ length: 33 }, (_, step) => 3 * Math.round((255 * step) / 32));
  return `linear-gradient(to right, ${stops.map((level) => `rgb(${colours.slice(level, level + 3).join(",")})`).join(",")})`;
}

/** A number with its sign, and a true minus; what rounds to zero has none. */
function signed(value, decimals = 3) {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/** Size a canvas in CSS pixels at the screen's own resolution and return its context and ratio. */
function sharpContext(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, ratio };
}

function fontOf(element, size, weight = 400) {
  const family = getComputedStyle(element).getPropertyValue("--st-code-font").trim();
  return `${weight} ${size}px ${family || "'Source Code Pro','DejaVu Sans Mono',Menlo,Consolas,monospace"}`;
}

/** How much larger than on a page everything is written: more than 1 in a talk. */
function typeScale(element) {
  return parseFloat(getComputedStyle(element).getPropertyValue("--type")) || 1;
}

/** The height in CSS pixels that whoever holds this component gives it; 0 where it takes what the window leaves. */
function givenRoom(element) {
  return parseFloat(getComputedStyle(element).getPropertyValue("--room")) || 0;
}

function clipped(text, longest) {
  const characters = Array.from(text);
  return characters.length > longest ? `${characters.slice(0, longest - 1).join("")}…` : text;
}

/** Call `redraw` when the element changes size, the page its fonts, or light to dark; returns the way to stop. */
function followPage(element, redraw) {
  const observer = new ResizeObserver(() => redraw());
  observer.observe(element);
  // A colour that depends on the page's background starts a transition exactly when the theme changes.
  const probe = document.createElement("i");
  probe.style.cssText = "position:absolute;width:0;height:0;color:var(--st-background-color);transition:color 1ms";
  probe.addEventListener("transitionend", () => redraw());
  element.append(probe);
  const drawn = () => redraw();
  window.addEventListener("resize", drawn);
  // A font that arrives late changes how wide words are.
  document.fonts.addEventListener("loadingdone", drawn);
  return () => {
    observer.disconnect();
    window.removeEventListener("resize", drawn);
    document.fonts.removeEventListener("loadingdone", drawn);
  };
}

/** A tooltip inside `root` that shows lines of plain text beside the pointer. */
function tooltipIn(root) {
  const box = document.createElement("div");
  box.className = "tooltip";
  box.setAttribute("role", "status");
  box.hidden = true;
  root.append(box);
  return {
    show(x, y, lines) {
      box.replaceChildren(
        ...lines.map((line, index) => {
          const row = document.createElement("div");
          row.className = index ? "quiet" : "";
          row.textContent = line;
          return row;
        }),
      );
      box.hidden = false;
      const left = x + 14 + box.offsetWidth > root.clientWidth ? x - box.offsetWidth - 10 : x + 14;
      const top = y + 14 + box.offsetHeight > root.clientHeight ? y - box.offsetHeight - 10 : y + 14;
      box.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
    },
    hide() {
      box.hidden = true;
    },
  };
}

/** Where the pointer is, in CSS pixels of `element`. */
function pointerIn(event, element) {
  const bounds = element.getBoundingClientRect();
  return [event.clientX - bounds.left, event.clientY - bounds.top];
}

const OPENED = "headscope:opened";

/** Tell the other components of the page which head is open: [layer, head]. */
function announceOpen(head) {
  document.documentElement.dataset.headscopeOpen = JSON.stringify(head);
  document.dispatchEvent(new Event(OPENED));
}

/** The head that is open on this page, or null. */
function openHead() {
  const open = document.documentElement.dataset.headscopeOpen;
  return open ? JSON.parse(open) : null;
}

/** The head [layer, head] that an arrow key moves to in a grid of layer x head, or null for another key. */
function arrowStep(event, { layers, heads }, [layer, head]) {
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!move) return null;
  event.preventDefault();
  const row = Math.min(layers.length - 1, Math.max(0, layers.indexOf(layer) + move[0]));
  return [layers[row], Math.min(heads - 1, Math.max(0, head + move[1]))];
}

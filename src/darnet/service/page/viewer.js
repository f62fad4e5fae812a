// Shows a photo before and after, at any zoom: only what is visible is ever drawn, so a large photo is as fast as a small.

import { listen } from "./gestures.js";
import { stroke } from "./mask.js";

const LARGEST = 32; // of a pixel of the photo, in pixels of the screen
const FITTED = 2; // a small photo is enlarged so far, to fill its view
const SMOOTH_BELOW = 2; // from this zoom on pixels are shown as what they are

export class Viewer extends EventTarget {
  #layers = []; // bitmaps: as it came, and after each repair
  #weights = []; // of each repair, 0 to 1
  #view = { scale: 1, x: 0, y: 0 }; // pixels of the screen per pixel of the photo; where its corner is
  #fitted = true;
  #divider = 0.5;
  #comparing = false;
  #map = null;
  #strokes = [];
  #brush = null; // { radius, erase } while painting
  #scratch = new OffscreenCanvas(1, 1);
  #cached = null;
  #due = false;
  #pointer = null;
  #drawing = null;

  constructor(canvas, handle) {
    super();
    this.canvas = canvas;
    this.handle = handle;
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(canvas);
    listen(this);
  }

  /** Show a photo: `layers` as `Picture.bitmaps` gives them; `same`: another version of the one that is shown. */
  show(layers, same = false) {
    for (const drawn of [...this.#layers, this.#map]) drawn?.close();
    this.#layers = layers;
    this.#cached = this.#map = null;
    if (!same) {
      this.#divider = 0.5;
      this.fit();
    }
    this.#draw();
  }

  clear() { this.show([]); }

  set weights(weights) {
    this.#weights = weights;
    this.#cached = null;
    this.#draw();
  }

  set map(bitmap) {
    this.#map?.close();
    this.#map = bitmap;
    this.#draw();
  }

  set strokes(strokes) {
    this.#strokes = strokes;
    this.#draw();
  }

  /** A stroke that is not yet one of them. */
  set drawing(stroke) {
    this.#drawing = stroke;
    this.#draw();
  }

  set brush(brush) {
    this.#brush = brush;
    this.canvas.classList.toggle("painting", brush !== null);
    this.#draw();
  }

  /** Where the pointer is: while painting the brush is shown there. */
  set pointer(place) {
    this.#pointer = place;
    if (this.#brush) this.#draw();
  }

  set comparing(comparing) {
    this.#comparing = comparing;
    this.#draw();
  }

  get brush() { return this.#brush; }
  get scale() { return this.#view.scale; }
  get fitted() { return this.#fitted; }
  get divider() { return this.#divider; }

  set divider(share) {
    this.#divider = Math.min(1, Math.max(0, share));
    this.#draw();
  }

  fit() {
    const [photo] = this.#layers;
    this.#fitted = true;
    if (!photo || !this.canvas.width) return;
    const scale = Math.min(this.canvas.width / photo.width, this.canvas.height / photo.height, FITTED);
    this.#view = { scale, x: (this.canvas.width - photo.width * scale) / 2, y: (this.canvas.height - photo.height * scale) / 2 };
    this.#moved();
  }

  /** Zoom, so that what is at (x, y) of the canvas, by default its middle, stays there. */
  zoom(scale, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const before = this.#view;
    scale = Math.min(LARGEST, Math.max(scale, this.#smallest));
    this.#view = { scale, x: x - (x - before.x) * (scale / before.scale), y: y - (y - before.y) * (scale / before.scale) };
    this.#fitted = false;
    this.#keep();
    this.#moved();
  }

  pan(x, y) {
    this.#view = { ...this.#view, x: this.#view.x + x, y: this.#view.y + y };
    this.#fitted = false;
    this.#keep();
    this.#moved();
  }

  get #smallest() {
    const [photo] = this.#layers;
    if (!photo) return 1;
    return Math.min(1, this.canvas.width / photo.width, this.canvas.height / photo.height);
  }

  /** No photo leaves its view: a small one stays in the middle. */
  #keep() {
    const [photo] = this.#layers;
    if (!photo) return;
    const held = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    const { scale, x, y } = this.#view;
    this.#view = {
      scale,
      x: held(x, photo.width * scale, this.canvas.width),
      y: held(y, photo.height * scale, this.canvas.height),
    };
  }

  #moved() {
    this.#cached = null;
    this.#draw();
    this.dispatchEvent(new Event("zoom"));
  }

  #resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const [width, height] = [clientWidth, clientHeight].map((side) => Math.round(side * devicePixelRatio));
    if (!width || !height || (width === this.canvas.width && height === this.canvas.height)) return;
    Object.assign(this.canvas, { width, height });
    if (this.#fitted) this.fit();
    else this.#keep();
    this.#moved();
  }

  #draw() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#paint();
    });
  }

  #paint() {
    const { pen, canvas } = this;
    const [before] = this.#layers;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!before) return;
    const { scale, x, y } = this.#view;
    const place = [x, y, before.width * scale, before.height * scale];
    this.#sharpness(pen);
    if (this.#map && !this.#comparing) {
      pen.drawImage(this.#map, ...place);
    } else {
      pen.drawImage(before, ...place);
      if (this.#layers.length > 1 && !this.#comparing) this.#after(place);
    }
    if (this.#brush) this.#mask(before, place);
    if (this.#brush && this.#pointer) this.#ring();
    this.#line();
  }

  #ring() {
    for (const [colour, width] of [["#000", 3], ["#fff", 1]]) {
      this.pen.beginPath();
      this.pen.arc(...this.#pointer, this.#brush.radius * this.#view.scale, 0, 2 * Math.PI);
      this.pen.strokeStyle = colour;
      this.pen.lineWidth = width;
      this.pen.stroke();
    }
  }

  #sharpness(pen) {
    pen.imageSmoothingEnabled = this.#fitted || this.#view.scale < SMOOTH_BELOW;
    pen.imageSmoothingQuality = this.#view.scale < 1 ? "high" : "low";
  }

  #after(place) {
    const { pen, canvas } = this;
    const left = this.#edge;
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, canvas.width - left, canvas.height);
    pen.clip();
    pen.clearRect(left, 0, canvas.width - left, canvas.height);
    if (this.#weights.every((weight) => weight === 1)) pen.drawImage(this.#layers.at(-1), ...place);
    else pen.drawImage(this.#blended(place), 0, 0);
    pen.restore();
  }

  /** y = x₀ + Σ wₖ (xₖ − xₖ₋₁), as darnet blends, of what is visible. */
  #blended(place) {
    if (this.#cached) return this.#cached;
    const { width, height } = this.canvas;
    if (this.#scratch.width !== width || this.#scratch.height !== height) this.#scratch = new OffscreenCanvas(width, height);
    const pen = this.#scratch.getContext("2d", { willReadFrequently: true });
    const seen = this.#layers.map((layer) => {
      pen.clearRect(0, 0, width, height);
      this.#sharpness(pen);
      pen.drawImage(layer, ...place);
      return pen.getImageData(0, 0, width, height);
    });
    const shares = seen.map((_, at) => (this.#weights[at - 1] ?? 1) - (this.#weights[at] ?? 0)); // of each layer
    const mixed = seen[0].data;
    for (let at = 0; at < mixed.length; at += 1) {
      let sum = 0;
      for (let layer = 0; layer < seen.length; layer += 1) sum += shares[layer] * seen[layer].data[at];
      mixed[at] = sum; // rounded and clamped
    }
    pen.putImageData(seen[0], 0, 0);
    return (this.#cached = this.#scratch);
  }

  #mask(photo, place) {
    const painted = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const pen = painted.getContext("2d");
    pen.setTransform(this.#view.scale, 0, 0, this.#view.scale, place[0], place[1]);
    pen.beginPath();
    pen.rect(0, 0, photo.width, photo.height);
    pen.clip();
    stroke(pen, this.#drawing ? [...this.#strokes, this.#drawing] : this.#strokes, "#14b8a6");
    this.pen.globalAlpha = 0.45;
    this.pen.drawImage(painted, 0, 0);
    this.pen.globalAlpha = 1;
  }

  get #edge() { return Math.round(this.#divider * this.canvas.width); }

  #line() {
    const shown = this.#layers.length > 1 && !this.#map && !this.#comparing;
    this.handle.hidden = this.#layers.length < 2 || this.#map !== null || this.#brush !== null;
    this.handle.classList.toggle("faint", this.#comparing);
    this.handle.style.left = `${100 * this.#divider}%`;
    this.handle.setAttribute("aria-valuenow", Math.round(100 * this.#divider));
    if (!shown) return;
    for (const [colour, width] of [["rgb(0 0 0 / 0.5)", 4], ["#fff", 2]]) { // to be seen on white, too
      this.pen.fillStyle = colour;
      this.pen.fillRect(this.#edge - width / 2, 0, width, this.canvas.height);
    }
  }

  /** Where a pixel of the canvas is in the photo. */
  inPhoto([x, y]) { return [(x - this.#view.x) / this.#view.scale, (y - this.#view.y) / this.#view.scale]; }
}

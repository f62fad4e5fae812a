// A photo on the page: its file, what is known of it, and what somebody wants of it.

import { FORM, ask } from "./api.js";
import { paint } from "./mask.js";

/** What somebody wants, which undo goes back through; all of it is replaced and never changed. */
const WISHES = Object.freeze({ kinds: null, strengths: Object.freeze({}), strokes: Object.freeze([]) });
const THUMBNAIL_PX = 144;
// The service draws larger photos smaller, and a mask must have the size of the photo.
const MOST_PIXELS = 39_900_000;

const SAME = { jpeg: "jpg", jpe: "jpg", jfif: "jpg", tif: "tiff", heif: "heic", hif: "heic", j2k: "jp2", dib: "bmp" };
const format = (suffix) => SAME[suffix.toLowerCase()] ?? suffix.toLowerCase();

const alike = (one, other) => one === other || (one && other && one.length === other.length
  && one.every((value, at) => value === other[at]));

export class Picture extends EventTarget {
  static #count = 0;

  constructor(file) {
    super();
    this.id = (Picture.#count += 1);
    this.file = file;
    this.state = "waiting";
    this.wishes = WISHES;
    this.past = [];
    this.done = WISHES; // what the result that is shown was made with
    this.layers = []; // { kind, kinds, blob }: the photo after each repair
    this.scores = null;
    this.plan = [];
    this.warnings = [];
    this.before = null;
    this.map = null;
    this.outcome = null; // the state that its last result gave it
    this.error = null;
  }

  get name() { return this.file.name || "pasted.png"; }
  get changed() { return this.layers.length > 0; }
  get settled() { return ["repaired", "alone", "failed"].includes(this.state); }
  /** Whether the repair has to be done again for what is wanted; a strength needs no repair. */
  get stale() {
    return !alike(this.wishes.kinds, this.done.kinds) || !alike(this.wishes.strokes, this.done.strokes);
  }

  /** The repairs in order: those that are wanted, else those that darnet did, or would do. */
  get row() {
    if (this.wishes.kinds) return this.wishes.kinds;
    const itself = this.outcome !== null && this.done.kinds === null;
    return itself ? this.layers.flatMap((layer) => layer.kinds) : this.plan.map((repair) => repair.kind);
  }

  /** Whether there is something to keep. */
  get keepable() { return this.settled && this.outcome !== null; }

  strength(layer) { return this.wishes.strengths[layer.kind ?? ""] ?? 1; }

  wish(wishes) {
    this.past.push(this.wishes);
    this.wishes = Object.freeze({ ...this.wishes, ...wishes });
    this.error = null;
    this.#tell();
  }

  undo() {
    if (!this.past.length) return;
    this.wishes = this.past.pop();
    this.error = null;
    this.#tell();
  }

  /** What darnet itself would do, and all of it. */
  reset() { this.wish(WISHES); }

  /** Wait to be treated anew; what is at work for it is given up. */
  again() {
    this.stop();
    this.#become("waiting");
  }

  /** Look at it and repair it. */
  async treat() {
    this.stop();
    const { signal } = (this.#abort = new AbortController());
    this.error = null;
    const wishes = this.wishes;
    try {
      if (!this.scores && !wishes.kinds) await this.#look(signal);
      if (wishes.kinds?.length === 0) {
        this.layers = [];
        this.result = null;
      } else {
        this.#become("repairing");
        await this.#repair(wishes, signal);
      }
      this.done = wishes;
      this.outcome = this.changed ? "repaired" : "alone";
      this.kept = false;
      this.#become(this.outcome);
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.#become(this.outcome ?? "failed"); // an earlier result is still there
    }
  }

  stop() { this.#abort?.abort(); }

  async #look(signal) {
    this.#become("looking");
    const form = new FormData();
    form.append("file", this.file);
    const found = await (await ask("/v1/diagnose", { form, signal })).json();
    signal.throwIfAborted();
    this.scores = found.diagnosis?.scores ?? {};
    this.severities = found.diagnosis?.severities ?? {};
    this.plan = found.diagnosis?.plan ?? [];
    this.warnings = found.warnings;
  }

  async #repair(wishes, signal) {
    const form = await this.#form(wishes);
    const parts = await (await ask("/v1/restore", { form, accept: FORM, signal })).formData();
    signal.throwIfAborted();
    const result = JSON.parse(parts.get("result"));
    this.result = parts.get("image");
    this.before = parts.get("before");
    this.warnings = result.warnings;
    this.steps = result.steps;
    const drawn = [...parts.keys()].filter((name) => name.startsWith("step-")).sort().map((name) => parts.get(name));
    const each = drawn.length === result.experts.length; // of several pages there is one drawing, after all repairs
    this.layers = drawn.map((blob, at) => each
      ? { kind: result.experts[at], kinds: [result.experts[at]], blob }
      : { kind: null, kinds: result.experts, blob });
  }

  /** A form with the photo and what is wanted of it. */
  async #form(wishes, strength = "") {
    const form = new FormData();
    form.append("file", this.file);
    const kinds = wishes.kinds ?? (wishes.strokes.length ? this.plan.map((repair) => repair.kind) : []);
    if (kinds.length) form.append("as", kinds.join(",")); // what was found in the photo is meant where it is painted, too
    if (strength) form.append("strength", strength);
    if (wishes.strokes.length) {
      const { width, height } = this.size;
      form.append("mask", await paint(wishes.strokes, width, height).convertToBlob({ type: "image/png" }));
    }
    return form;
  }

  get paintable() { return this.before !== null && this.size && this.size.width * this.size.height < MOST_PIXELS; }

  /** The file to keep: in the format and with the metadata it came with. At a strength the service makes it anew. */
  async download() {
    if (!this.changed) return { name: this.name, blob: this.result ?? this.file };
    const weak = this.layers.filter((layer) => this.strength(layer) !== 1);
    if (!weak.length) return { name: this.#named(this.result), blob: this.result ?? this.file };
    const strength = this.layers[0].kind === null
      ? String(this.strength(this.layers[0]))
      : this.layers.map((layer) => `${layer.kind}=${this.strength(layer)}`).join(",");
    const answer = await ask("/v1/restore", { form: await this.#form(this.done, strength), accept: "image/*" });
    return { name: this.#named(this.result), blob: await answer.blob() };
  }

  #named(made) {
    if (!made) return this.name;
    const dot = this.name.lastIndexOf(".");
    const stem = dot > 0 ? this.name.slice(0, dot) : this.name;
    const [own, suffix] = [this.name, made.name].map((name) => name.slice(name.lastIndexOf(".") + 1));
    return `${stem}.restored.${format(own) === format(suffix) ? own : suffix}`;
  }

  /** Where its damage is, drawn. */
  async draw() {
    if (this.map) return this.map;
    const form = new FormData();
    form.append("file", this.file);
    this.map = await (await ask("/v1/diagnose", { form, accept: "image/png" })).blob();
    return this.map;
  }

  /** Bitmaps of it: as it came and after each repair; null where the browser cannot draw it and nobody has yet. */
  async bitmaps() {
    const blobs = [this.before ?? this.file, ...this.layers.map((layer) => layer.blob)];
    const how = { colorSpaceConversion: this.before ? "none" : "default" };
    try {
      const drawn = await Promise.all(blobs.map((blob) => createImageBitmap(blob, how)));
      this.size = { width: drawn[0].width, height: drawn[0].height };
      return drawn;
    } catch {
      return null;
    }
  }

  /** A small drawing, as the address of an image; empty where nothing can be drawn yet. */
  async thumbnail() {
    const blob = this.layers.at(-1)?.blob ?? this.before ?? this.file;
    try {
      const whole = await createImageBitmap(blob);
      const scale = Math.min(1, THUMBNAIL_PX / Math.min(whole.width, whole.height));
      const canvas = new OffscreenCanvas(Math.max(1, whole.width * scale), Math.max(1, whole.height * scale));
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#888"; // behind what is transparent
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.imageSmoothingQuality = "high";
      pen.drawImage(whole, 0, 0, canvas.width, canvas.height);
      whole.close();
      const small = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
      this.forget();
      if (!this.gone) this.thumb = URL.createObjectURL(small);
    } catch {
      this.thumb ??= "";
    }
    return this.thumb;
  }

  /** Let go of its small drawing; `gone`: nobody will draw it any more. */
  forget(gone = false) {
    this.gone ||= gone;
    if (this.thumb) URL.revokeObjectURL(this.thumb);
    this.thumb = "";
  }

  #abort = null;
  #become(state) {
    this.state = state;
    this.#tell();
  }

  #tell() { this.dispatchEvent(new Event("change")); }
}

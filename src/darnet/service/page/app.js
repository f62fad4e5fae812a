// The page: photos come in, each is looked at and repaired in turn, and one of them is shown.

import { ask } from "./api.js";
import { element } from "./elements.js";
import { panel } from "./panel.js";
import { Picture } from "./picture.js";
import { save, zip } from "./saving.js";
import { Viewer } from "./viewer.js";
import * as words from "./words.js";

const PHOTO = /\.(tiff?|jxl|jp2|hei[cf]|avif|dng|cr[23]|nef|arw|raf|orf|rw2|p[gpn]m)$/i; // that browsers do not know by type
const NOTICE_MS = 10_000;
const AT_ONCE = 2; // photos that are at work; the service has a queue, which others use too
const find = (selector) => document.querySelector(selector);
const viewer = new Viewer(find("#canvas"), find("#divider"));
const pictures = [];
let shown = null;
let kinds = [];
let working = 0;
let drawing = 0;

// ------------------------------------------------------------------------------------------------- photos come in

function take(files) {
  const taken = [...files];
  if (!taken.length) return;
  document.body.classList.remove("empty");
  for (const file of taken) {
    const picture = new Picture(file);
    pictures.push(picture);
    picture.addEventListener("change", () => changed(picture));
    listed(picture);
  }
  say(taken.length === 1 ? `${taken[0].name || "A photo"} added` : `${taken.length} photos added`);
  if (!shown) select(pictures[0]);
  if (!kinds.length) learn();
  work();
}

async function work() {
  while (working < AT_ONCE) {
    const next = (shown?.state === "waiting" && shown) || pictures.find((picture) => picture.state === "waiting");
    if (!next) return;
    working += 1;
    next.treat().finally(() => {
      working -= 1;
      work();
    });
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return take(transfer.files);
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      if (!file.name.startsWith(".") && (file.type.startsWith("image/") || PHOTO.test(file.name))) found.push(file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one);
    }
  };
  for (const entry of entries) await walk(entry);
  if (!found.length) notice("There is no photo in that folder");
  take(found);
}

// ---------------------------------------------------------------------------------------------- what is to be seen

function listed(picture) {
  const image = element("img", { alt: "", hidden: true });
  const badge = element("span", { className: "badge" });
  picture.button = element("button", { type: "button", onclick: () => select(picture) }, image, badge);
  picture.item = element("li", {}, picture.button);
  find("#pictures ul").append(picture.item);
  marked(picture);
  thumbnail(picture);
}

async function thumbnail(picture) {
  picture.drawnSmall = picture.result;
  const address = await picture.thumbnail();
  if (picture.gone) return;
  const image = picture.button.firstChild;
  image.hidden = !address;
  if (address) image.src = address;
}

function marked(picture) {
  picture.button.className = picture.state;
  picture.button.setAttribute("aria-current", picture === shown);
  picture.button.setAttribute("aria-label", `${picture.name}: ${words.state(picture)}`);
  picture.button.title = `${picture.name}: ${words.state(picture)}`;
  picture.button.lastChild.textContent = words.state(picture);
}

const keepable = () => pictures.filter((picture) => picture.keepable);

function changed(picture) {
  marked(picture);
  find("#zip").hidden = keepable().length < 2;
  if (picture.settled && picture.drawnSmall !== picture.result) thumbnail(picture);
  if (picture !== shown) return;
  render();
  if (picture.settled) {
    say(`${picture.name}: ${picture.error ? words.problem(picture.error) : words.state(picture)}`);
    if (picture.made !== picture.result || !picture.drawn) draw(picture, true);
  }
}

async function select(picture) {
  const before = shown;
  if (before !== picture) viewer.clear();
  shown = picture;
  for (const one of pictures) marked(one);
  paintMode(false);
  press("#where", false);
  render();
  await draw(picture, false);
  if (before !== picture) work();
}

/** Show the photo itself; `same`: it is the one that was shown, and stays where it is. */
async function draw(picture, same) {
  const mine = (drawing += 1);
  const { result } = picture;
  const layers = await picture.bitmaps();
  if (picture !== shown || mine !== drawing) { // another one is drawn by now
    for (const layer of layers ?? []) layer.close();
    return;
  }
  picture.made = result;
  picture.drawn = layers !== null;
  viewer.show(layers ?? [], same && find("#canvas").dataset.id === String(picture.id));
  find("#canvas").dataset.id = layers ? picture.id : "";
  find("#where").setAttribute("aria-pressed", "false");
  render();
}

function render() {
  const picture = shown;
  panel(find("#panel"), picture, kinds, acts);
  viewer.weights = picture.layers.map((layer) => picture.strength(layer));
  viewer.strokes = picture.wishes.strokes;
  busy(picture.settled ? "" : `${words.state(picture)}…`);
  tags();
  find("#compare").disabled = !picture.changed;
  find("#where").disabled = !picture.settled;
  find("#brush").disabled = !picture.settled || !picture.paintable;
  find("#brush").title = picture.settled && picture.before && !picture.paintable ? "This photo is too large to paint on" : "";
}

function tags() {
  const mapped = find("#where").getAttribute("aria-pressed") === "true";
  for (const tag of document.querySelectorAll(".tag")) tag.hidden = !shown?.changed || mapped;
}

function busy(text) {
  find("#busy").hidden = !text;
  find("#busy").textContent = text;
}

/** Say something that belongs to no photo, for all to see. */
function notice(text) {
  const place = find("#notice");
  place.textContent = text;
  place.hidden = !text;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => (place.hidden = true), NOTICE_MS);
}

function say(text) { find("#said").textContent = text; }
function press(selector, on) { find(selector).setAttribute("aria-pressed", on); }

// ---------------------------------------------------------------------------------------------- what may be done

const acts = {
  kinds: (wanted) => shown.wish({ kinds: wanted }),
  weigh(layer, share) {
    viewer.weights = shown.layers.map((one) => (one === layer ? share : shown.strength(one)));
  },
  strength: (layer, share) => shown.wish({ strengths: { ...shown.wishes.strengths, [layer.kind ?? ""]: share } }),
  again: () => {
    paintMode(false);
    shown.again();
    work();
  },
  undo: () => shown.undo(),
  reset: () => {
    shown.reset();
    if (shown.stale || !shown.settled) acts.again();
  },
  async save() {
    const picture = shown;
    if (picture.saving) return;
    picture.saving = true;
    picture.error = null;
    try {
      find("#panel [data-key=save]")?.setAttribute("aria-busy", "true");
      save(await picture.download());
      picture.kept = true;
    } catch (error) {
      picture.error = error;
    }
    picture.saving = false;
    changed(picture);
  },
  drop() {
    const picture = shown;
    const at = pictures.indexOf(picture);
    picture.stop();
    pictures.splice(at, 1);
    picture.item.remove();
    picture.forget(true);
    shown = null;
    viewer.clear();
    find("#zip").hidden = keepable().length < 2;
    const next = pictures[Math.min(at, pictures.length - 1)];
    if (next) {
      select(next);
      next.button.focus();
    } else {
      document.body.classList.add("empty");
      find("#panel").replaceChildren();
      find("#choose").focus();
    }
  },
};

function paintMode(on) {
  if (on) hideWhere();
  press("#brush", on);
  find("#painting").hidden = !on;
  const scale = shown?.size ? Math.max(shown.size.width, shown.size.height) / 1000 : 1;
  viewer.brush = on ? { radius: (find("#size").value / 2) * scale, erase: find("#erase").checked } : null;
}

function hideWhere() {
  press("#where", false);
  viewer.map = null;
  tags();
}

async function showWhere() {
  if (find("#where").getAttribute("aria-pressed") === "true") return hideWhere();
  const picture = shown;
  paintMode(false);
  press("#where", true);
  picture.error = null;
  try {
    busy("Looking where the damage is…");
    const map = await createImageBitmap(await picture.draw());
    if (picture !== shown || find("#where").getAttribute("aria-pressed") !== "true") {
      map.close();
      return;
    }
    viewer.map = map;
    tags();
    busy("");
    say("The photo in grey; each kind of damage has its colour, named at the bottom left");
  } catch (error) {
    picture.error = error;
    if (picture === shown) press("#where", false);
    changed(picture);
  }
}

// ------------------------------------------------------------------------------------------------------- listening

for (const selector of ["#choose", "#add"]) find(selector).addEventListener("click", () => find("#files").click());
find("#files").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  dropped(event.dataTransfer);
});
addEventListener("paste", (event) => take(event.clipboardData.files));

for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => (button.dataset.zoom === "fit" ? viewer.fit() : viewer.zoom(+button.dataset.zoom)));
}
viewer.addEventListener("zoom", () => {
  find("#scale").textContent = viewer.scale ? words.percent(viewer.scale) : "";
});
viewer.addEventListener("stroke", ({ detail }) => shown.wish({ strokes: [...shown.wishes.strokes, detail] }));
find("#brush").addEventListener("click", () => paintMode(find("#painting").hidden));
for (const selector of ["#size", "#erase"]) find(selector).addEventListener("input", () => paintMode(true));
find("#unpaint").addEventListener("click", () => shown.wishes.strokes.length && shown.wish({ strokes: [] }));
find("#where").addEventListener("click", showWhere);
find("#zip").addEventListener("click", async (event) => {
  if (event.target.getAttribute("aria-disabled") === "true") return;
  event.target.setAttribute("aria-disabled", "true"); // and stays where the focus is
  await zip(keepable(), notice);
  event.target.setAttribute("aria-disabled", "false");
});

const compare = find("#compare");
const comparing = (on) => {
  viewer.comparing = on;
  compare.setAttribute("aria-pressed", on);
};
compare.addEventListener("pointerdown", () => comparing(true));
for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"]) compare.addEventListener(end, () => comparing(false));
for (const target of [compare, find("#canvas")]) {
  target.addEventListener("blur", () => comparing(false));
  target.addEventListener("keydown", (event) => {
    const keys = target === compare ? [" ", "Enter"] : [" "];
    if (!keys.includes(event.key) || event.repeat) return;
    event.preventDefault();
    comparing(true);
  });
  target.addEventListener("keyup", () => comparing(false));
}
addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input:not([type=range]):not([type=checkbox]), textarea");
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && shown && !typing) {
    event.preventDefault();
    shown.undo();
  }
});

addEventListener("beforeunload", (event) => {
  if (pictures.some((picture) => !picture.settled || (picture.changed && !picture.kept))) event.preventDefault();
});

const THEME = "darnet-theme";
const themed = (theme) => theme && (document.documentElement.dataset.theme = theme);
themed(localStorage.getItem(THEME));
find("#theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";
  themed(dark ? "light" : "dark");
  localStorage.setItem(THEME, dark ? "light" : "dark");
});

/** Learn which repairs there are. */
async function learn() {
  try {
    const { system } = await (await ask("/v1/experts")).json();
    kinds = system.map((part) => part.role).filter((role) => role !== "router");
    if (shown) render();
  } catch (error) {
    notice(words.problem(error));
  }
}
learn();

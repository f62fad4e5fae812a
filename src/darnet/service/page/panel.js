// The panel beside a photo: what was found, what was done, and what may be done otherwise.

import { element } from "./elements.js";
import * as words from "./words.js";

const FEW = 0.05; // what is less certain is no finding

/** Draw the panel of a photo. `kinds`: that there are experts for; `acts`: what its buttons do. */
export function panel(place, picture, kinds, acts) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  place.replaceChildren(
    element("h2", { title: picture.name, tabIndex: -1, "data-key": "name" }, picture.name),
    status(picture),
    ...(picture.error ? [element("p", { className: "error", role: "alert" }, words.problem(picture.error))] : []),
    ...findings(picture),
    ...row(picture, kinds, acts),
    ...strengths(picture, acts),
    ...said(picture),
    buttons(picture, acts),
  );
  if (focused) refocus(place, focused);
}

/** Where the focus was, or beside it, or at the top: never nowhere, and on no button that nobody meant. */
function refocus(place, key) {
  const same = place.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const beside = [...(same?.closest("li")?.querySelectorAll("button") ?? [])];
  [same, ...beside, place.querySelector("h2")].find((one) => one && !one.disabled).focus();
}

function status(picture) {
  const text = picture.state === "alone" ? words.alone(picture) : words.state(picture);
  return element("p", { className: `state ${picture.state}` }, text);
}

function findings(picture) {
  if (!picture.scores) return [];
  const found = Object.entries(picture.scores)
    .filter(([kind, score]) => kind !== "clean" && score >= FEW).sort((a, b) => b[1] - a[1]);
  const heading = element("h3", {}, "What is wrong with it");
  if (!found.length) return [heading, element("p", {}, "Nothing that darnet knows of.")];
  return [heading, element("ul", { className: "findings" }, ...found.map(([kind, score]) => {
    const bar = element("span", { className: "bar", "aria-hidden": "true" }, element("span"));
    bar.firstChild.style.width = `${100 * score}%`;
    const severe = words.severity(kind, picture.severities?.[kind]);
    return element("li", { title: words.meaning(kind), className: score > 0.5 ? "" : "weak" },
      element("span", { className: "kind" }, words.title(kind)),
      element("span", { className: "certain" }, `${words.percent(score)} certain`),
      bar,
      ...(severe ? [element("span", { className: "severe" }, severe)] : []));
  }))];
}

function row(picture, kinds, acts) {
  if (!picture.settled) return [];
  const chosen = picture.row;
  const rest = kinds.filter((kind) => !chosen.includes(kind));
  const chips = chosen.map((kind, at) => {
    const step = picture.outcome && !picture.stale ? picture.steps?.filter((one) => one.expert)[at] : null;
    const share = step && step.share < 0.995 ? `, in ${words.percent(step.share)} of it` : "";
    return element("li", {},
      element("span", { title: words.meaning(kind) }, words.title(kind) + share),
      element("button", { type: "button", className: "bare", "aria-label": `${words.title(kind)} earlier`, disabled: at === 0,
        "data-key": `up ${kind}`, onclick: () => acts.kinds(moved(chosen, at, -1)) }, "←"),
      element("button", { type: "button", className: "bare", "aria-label": `${words.title(kind)} later`, disabled: at === chosen.length - 1,
        "data-key": `down ${kind}`, onclick: () => acts.kinds(moved(chosen, at, 1)) }, "→"),
      element("button", { type: "button", className: "bare", "aria-label": `Without the repair of ${words.title(kind)}`,
        "data-key": `off ${kind}`, onclick: () => acts.kinds(chosen.filter((one) => one !== kind)) }, "×"));
  });
  const choice = element("select", { "aria-label": "Repair to add", "data-key": "choice" },
    element("option", { value: "" }, "Another repair…"),
    ...rest.map((kind) => element("option", { value: kind }, words.title(kind))));
  const add = element("button", { type: "button", "data-key": "add",
    onclick: () => (choice.value ? acts.kinds([...chosen, choice.value]) : choice.focus()) }, "Add");
  return [
    element("h3", {}, "Repairs, in this order"),
    element("ol", { className: "chips" }, ...chips, ...(rest.length ? [element("li", { className: "add" }, choice, add)] : [])),
  ];
}

function moved(list, at, by) {
  const next = [...list];
  [next[at], next[at + by]] = [next[at + by], next[at]];
  return next;
}

function strengths(picture, acts) {
  if (!picture.changed) return [];
  return [element("h3", {}, "How much of each"), ...picture.layers.map((layer) => {
    const name = layer.kinds.map(words.title).join(", ");
    const value = Math.round(100 * picture.strength(layer));
    const shown = element("output", {}, `${value} %`);
    const slider = element("input", { type: "range", min: 0, max: 100, value: value, "data-key": `strength ${layer.kind}`,
      oninput: (event) => {
        shown.value = `${event.target.value} %`;
        acts.weigh(layer, event.target.value / 100);
      },
      onchange: (event) => acts.strength(layer, event.target.value / 100) });
    return element("label", { className: "strength" }, element("span", {}, name), slider, shown);
  })];
}

function said(picture) {
  const notes = words.notes(picture.warnings);
  if (!notes.length || !picture.settled) return [];
  return [element("details", { open: picture.state === "alone" }, element("summary", {}, "Good to know"),
    element("ul", { className: "notes" }, ...notes.map((text) => element("li", {}, text))))];
}

function buttons(picture, acts) {
  const button = (key, text, act, more = {}) =>
    element("button", { type: "button", "data-key": key, onclick: act, ...more }, text);
  const asked = picture.wishes.kinds !== null || picture.wishes.strokes.length > 0;
  const at = picture.state;
  return element("div", { className: "buttons" },
    picture.stale && picture.settled ? button("again", "Repair again", acts.again, { className: "primary" })
      : at === "failed" ? button("again", "Try again", acts.again, { className: "primary" })
        : button("save", "Download", acts.save, { className: "primary", disabled: !picture.settled }),
    button("undo", "Undo", acts.undo, { disabled: !picture.past.length }),
    asked ? button("reset", "As darnet found", acts.reset) : null,
    button("drop", "Remove", acts.drop));
}

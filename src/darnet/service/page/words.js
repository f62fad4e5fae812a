// What is shown, in words that need no manual.

const KINDS = {
  noise: ["Noise", "Grain, as in photos that were taken in poor light"],
  blur: ["Out of focus", "Soft all over, as if the lens had missed"],
  motion: ["Motion blur", "Smeared in one direction: the camera or the subject moved"],
  overexposure: ["Too bright", "Light parts are washed out"],
  lowlight: ["Too dark", "Taken with too little light"],
  haze: ["Haze", "A grey veil over what is far away"],
  rain: ["Rain", "Streaks of rain in front of the scene"],
  jpeg: ["JPEG damage", "Blocks and fringes of a file that was made too small"],
};
const SEVERITIES = {
  noise: (value) => `strength ${value.toFixed(0)} of 255`,
  blur: (value) => `about ${value.toFixed(1)} pixels wide`,
  motion: (value) => `about ${value.toFixed(0)} pixels long`,
  overexposure: (value) => `${value.toFixed(1)} times too bright`,
  lowlight: (value) => `about ${Math.max(1, Math.round(100 * value))} % of the light`,
  jpeg: (value) => `saved at quality ${value.toFixed(0)} or so`,
};
const STATES = {
  waiting: "Waiting",
  looking: "Looking",
  repairing: "Repairing",
  repaired: "Repaired",
  alone: "Left alone",
  failed: "Not repaired",
};

const PROBLEMS = {
  413: "This photo is larger than this service takes",
  415: "This is no photo that darnet can read",
  422: "This cannot be done",
  429: "The service is busy; try again in a moment",
  503: "The service cannot do it just now; try again in a moment",
  504: "It took longer than this service allows",
};

export const title = (kind) => KINDS[kind]?.[0] ?? kind[0].toUpperCase() + kind.slice(1);
export const meaning = (kind) => KINDS[kind]?.[1] ?? "";
export const severity = (kind, value) => (value == null ? "" : SEVERITIES[kind]?.(value) ?? "");
export const state = (picture) => (picture.settled && picture.stale ? "Changed" : STATES[picture.state]);
export const percent = (share) => `${Math.round(100 * share)} %`;

const LEFT = "left alone: ";
const ADVICE = /[;,] (?:try )?`(?:kinds|as)[^`]*`( repairs (?:it|all of them)( all the same)?)?/g; // the form's words

/** Why nothing was repaired. The service's own words follow it, where it had some. */
export function alone(picture) {
  if (picture.done.kinds?.length === 0) return "Left alone, because you took every repair away.";
  const reason = picture.warnings.find((text) => text.startsWith(LEFT));
  if (reason && !picture.done.kinds) return `Left alone, because ${reason.slice(LEFT.length).replace(ADVICE, "")}.`;
  if (picture.done.strokes.length) return "Left alone, because nothing was found that is worth repairing where you painted.";
  const suspected = Object.entries(picture.scores ?? {}).filter(([kind]) => kind !== "clean").sort((a, b) => b[1] - a[1]);
  const [kind, score] = suspected[0] ?? ["", 0];
  if (score > 0.5) {
    return `Left alone, because it is not certain enough: it may have “${title(kind).toLowerCase()}” ` +
      `(${percent(score)}), but a repair that is not needed does harm. Add the repair below to do it all the same.`;
  }
  return "Left alone, because nothing was found that is worth repairing. The file you download is the one you gave.";
}

/** What the service says besides, as a reader of this page needs it. */
export function notes(warnings) {
  return warnings.filter((text) => !text.startsWith(LEFT)).map((text) => text
    .replace(ADVICE, ""))
    .map((text) => text[0].toUpperCase() + text.slice(1))
    .filter((text, index, all) => all.indexOf(text) === index);
}

export function problem(error) {
  const text = error.message || "Something went wrong";
  const lead = PROBLEMS[error.status];
  const said = lead ? `${lead}: ${text}` : text[0].toUpperCase() + text.slice(1);
  return said + (/[.?!]$/.test(said) ? "" : ".");
}

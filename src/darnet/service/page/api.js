// How the service is asked: the one place that sends anything.

export const FORM = "multipart/form-data";
const PASSING = new Set([429, 503]); // no room, or no worker yet
const RETRIES = 20;
const KEY = "darnet-token";

export class Problem extends Error {
  constructor(detail, status = 0) {
    super(detail);
    this.status = status;
  }
}

/** Ask for a token, once for all that wait for one; "" where none is given. `wrong`: what was given before was not it. */
let asking = null;
function token(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = document.querySelector("#ask");
    const field = dialog.querySelector("#token");
    dialog.addEventListener("close", () => {
      asking = null;
      const given = field.value.trim();
      if (dialog.returnValue !== "ok") resolve("");
      else resolve(/^[\x21-\x7e]+$/.test(given) ? given : token(true)); // nothing else can be sent as one
    }, { once: true });
    dialog.querySelector("#wrong").hidden = !wrong;
    dialog.returnValue = field.value = "";
    dialog.showModal();
  });
  return asking;
}

/** The answer of the service. Throws a Problem in words, and AbortError where `signal` says so. */
export async function ask(path, { form, accept = "application/json", signal } = {}) {
  for (let left = RETRIES; ; left -= 1) {
    const headers = { Accept: accept };
    const known = sessionStorage.getItem(KEY);
    if (known) headers.Authorization = `Bearer ${known}`;
    let answer;
    try {
      answer = await fetch(path, { method: form ? "POST" : "GET", body: form, headers, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem("The service does not answer. Is “darnet serve” still running?");
    }
    if (answer.ok) return answer;
    const detail = await reason(answer);
    if (answer.status === 401) {
      const now = sessionStorage.getItem(KEY);
      if (now && now !== known) continue; // it was given while this was on its way
      sessionStorage.removeItem(KEY);
      const given = await token(Boolean(known));
      if (!given) throw new Problem("A token is needed for this service.", 401);
      sessionStorage.setItem(KEY, given);
    } else if (PASSING.has(answer.status) && left > 0) {
      const pause = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(pause, 30)));
      signal?.throwIfAborted();
    } else {
      throw new Problem(detail, answer.status);
    }
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

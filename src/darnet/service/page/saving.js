// Files to keep: one, or all in a zip.

import { downloadZip } from "./client-zip.js";
import * as words from "./words.js";

/** Give a file to the browser to keep. */
export function save({ name, blob }) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Keep all photos as one file. They are packed one after the other, and where the browser can, straight to the disk. */
export async function zip(done, say) {
  let failed = null; // the reason gets lost where the browser reads what is packed
  const used = new Set();
  const unique = (name) => {
    let free = name;
    for (let count = 2; used.has(free.toLowerCase()); count += 1) free = name.replace(/(\.[^.]*)?$/, ` (${count})$1`);
    used.add(free.toLowerCase());
    return free;
  };
  async function* files() {
    for (const picture of done) {
      say(`Packing ${picture.name}`);
      const { name, blob } = await picture.download().catch((error) => {
        failed = `${picture.name}: ${words.problem(error)}`;
        throw error;
      });
      picture.kept = true;
      yield { name: unique(name), input: blob, lastModified: picture.file.lastModified };
    }
  }
  try {
    const name = "darnet.zip";
    const handle = await window.showSaveFilePicker?.({ suggestedName: name });
    const packed = downloadZip(files());
    if (handle) await packed.body.pipeTo(await handle.createWritable());
    else save({ name, blob: await packed.blob() });
    const stale = done.filter((picture) => picture.stale).length;
    say(`${done.length} photos packed${stale ? `, ${stale} of them as before you changed what is to be repaired` : ""}`);
  } catch (error) {
    say(error.name === "AbortError" ? "" : (failed ?? words.problem(error)));
  }
}

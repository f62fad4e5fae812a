"""Make docs/gallery.md and its pictures: every photo of examples/, as it is and as the shipped weights restore it.

    python scripts/gallery.py

Whose the photos are, and what was done to them, is taken from examples/README.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

import darnet

EXAMPLES, PAGE = Path("examples"), Path("docs/gallery.md")
HEIGHT, GAP = 360, 6
ROW = re.compile(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
HEAD = f"""# Gallery

Photos before and after `darnet restore`, with what it says of them: the weights that ship, no options. The photos are
real and may be given away, and darnet was trained on none of them. Their damage was made, so that it is known. How it
does on damage that cameras made is in [benchmarks](benchmarks.md), what became worse included.

Left: as it came. Right: as it was restored. At native size, {HEIGHT} rows at most. Made by `python scripts/gallery.py`.
"""


def named() -> Iterator[tuple[str, str, str, str]]:
    """File, photo, its terms and its damage, of every example."""
    yield from ROW.findall((EXAMPLES / "README.md").read_text(encoding="utf-8"))


def entry(name: str, about: tuple[str, str, str], result: darnet.Result[darnet.Image]) -> str:
    """What the page says of an example."""
    photo, terms, damage = about
    done = f"{', then '.join(result.experts)} expert" if result.changed else "left alone"
    picture = f"![{photo}, before and after](gallery/{Path(name).stem}.jpg)"
    said = f"Damage: {damage}. Found: {result.diagnosis}. Done: {done}. Photo: {photo}, {terms}."
    return f"## {name}\n\n{picture}\n\n{said}\n"


def pair(result: darnet.Result[darnet.Image]) -> PIL.Image.Image:
    """Before and after, side by side: of a high picture the rows in its middle."""
    before, after = (PIL.Image.fromarray(image.array) for image in (result.source, result.image))
    height = min(HEIGHT, before.height)
    page = PIL.Image.new("RGB", (2 * before.width + GAP, height), "white")
    top = (before.height - height) // 2
    for index, image in enumerate((before, after)):
        page.paste(image.crop((0, top, image.width, top + height)), (index * (image.width + GAP), 0))
    return page


def main() -> None:
    """Restore them all."""
    restorer = darnet.load(device="cpu")
    pictures = PAGE.with_suffix("")
    pictures.mkdir(exist_ok=True)
    entries = [HEAD]
    for name, *about in named():
        result = restorer(EXAMPLES / name)
        pair(result).save(pictures / f"{Path(name).stem}.jpg", quality=85, optimize=True)
        entries.append(entry(name, (about[0], about[1], about[2]), result))
    PAGE.write_text("\n".join(entries), encoding="utf-8")


if __name__ == "__main__":
    main()

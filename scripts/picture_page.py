"""Take pictures of the page of `darnet serve` for its documents, in a real browser, with photos of `examples/`.

Needs Chromium and the extras `serve` and `dev`. Usage: python scripts/picture_page.py http://127.0.0.1:8000 docs/page
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

PHOTOS = ("cat-noisy.jpg", "astronaut-dark.jpg", "coffee-clean.jpg", "cat-compressed.jpg")
#: Width, height and theme of each picture.
LOOKS = {"desktop": (1440, 900, "light"), "tablet": (1024, 768, "dark"), "phone": (390, 844, "light")}
PATIENCE_MS = 300_000
QUALITY = 82


def take(page: Any, url: str, path: Path) -> None:
    """The page with photos, once all are repaired."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.set_input_files("#files", [Path("examples", photo) for photo in PHOTOS])
    busy = page.locator("#pictures button:is(.waiting, .looking, .repairing)")
    expect(busy).to_have_count(0, timeout=PATIENCE_MS)
    page.wait_for_timeout(500)  # what was repaired last is drawn
    page.screenshot(path=path, type="jpeg", quality=QUALITY)


def main(url: str, folder: Path) -> None:
    """All of them."""
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (width, height, theme) in LOOKS.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            take(context.new_page(), url, folder / f"{name}.jpg")
            context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

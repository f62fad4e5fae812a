"""The page in a real browser, against a real service."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from darnet import RestorerSpec
from darnet.jobs import Job
from darnet.service.access import Access
from services import PATIENCE, Serving, photo

api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # playwright's own, when its driver ends
]
MILLISECONDS = 1000 * PATIENCE
PAINTED_WITHIN_MS = 1000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab, which may say nothing and ask nobody but the service; `page.allowed`: what it may say all the same."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(MILLISECONDS)
    asked, said = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.allowed = "nothing"
    yield page
    own = page.url.removesuffix("/docs").rstrip("/")
    assert {url for url in asked if not url.startswith((f"{own}/", f"blob:{own}/"))} <= {own}
    assert [text for text in said if not re.search(page.allowed, text)] == []
    context.close()


@pytest.fixture(scope="module")
def restored(tiny_system: Path, tmp_path_factory: Any) -> Callable[..., bytes]:
    """What `darnet restore` writes for a file."""
    restorer = RestorerSpec(system=str(tiny_system), device="cpu").build()

    def written(data: bytes, name: str, **settings: Any) -> bytes:
        folder = tmp_path_factory.mktemp("restored")
        (folder / name).write_bytes(data)
        (task,) = Job(**settings).plan([str(folder / name)], f"{folder}/out/").tasks
        (done,) = Job(**settings).run([task], restorer)
        assert done.error is None
        return Path(done.output or "").read_bytes()

    return written


def jpeg(seed: int = 0, side: int = 48) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x010F] = "Acme"
    return photo(seed, side, "jpeg", exif=exif)


def give(page: Any, service: Serving, **files: bytes) -> None:
    """Open the page and let it repair files, `name_suffix=data`."""
    page.goto(service.url)
    named = [{"name": name.replace("_", "."), "mimeType": "", "buffer": data} for name, data in files.items()]
    page.set_input_files("#files", named)
    settled(page)


def settled(page: Any) -> None:
    busy = page.locator("#pictures button:is(.waiting, .looking, .repairing)")
    api.expect(busy).to_have_count(0, timeout=MILLISECONDS)


def downloaded(page: Any, button: str) -> tuple[str, bytes]:
    with page.expect_download() as waited:
        page.get_by_role("button", name=button, exact=True).click()
    return waited.value.suggested_filename, Path(waited.value.path()).read_bytes()


def canvas(page: Any) -> np.ndarray:
    page.wait_for_timeout(100)  # it is drawn with the next frame
    return np.asarray(PIL.Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB")).astype(int)


def panel(page: Any) -> Any:
    return page.locator("#panel")


def test_a_photo_is_looked_at_repaired_and_kept(page, service, restored):
    data = jpeg()
    give(page, service, photo_jpg=data)
    api.expect(panel(page).locator(".findings li").first).to_contain_text("Noise")
    api.expect(panel(page).locator(".findings li").first).to_contain_text("% certain")
    api.expect(panel(page).locator(".chips li").first).to_contain_text("Noise")
    assert downloaded(page, "Download") == ("photo.restored.jpg", restored(data, "photo.jpg"))


def test_strength_is_blended_at_once_and_kept_as_restore_would(page, service, restored):
    data = photo(3, 64)
    give(page, service, photo_png=data)
    page.get_by_role("slider", name="Divider").focus()
    page.keyboard.press("Home")
    whole = canvas(page)
    page.get_by_role("button", name="Hold to compare").focus()
    page.keyboard.down(" ")
    before = canvas(page)
    page.keyboard.up(" ")
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    slider = panel(page).get_by_role("slider")
    slider.fill("50")
    api.expect(panel(page).locator("output")).to_have_text("50 %")
    half = canvas(page)
    assert asked == []
    inside = np.s_[300:500, 400:600]  # without handle and labels
    assert np.abs(whole[inside] - before[inside]).max() > 10
    assert np.abs(half[inside] - (whole[inside] + before[inside]) / 2).max() <= 2
    assert downloaded(page, "Download")[1] == restored(data, "photo.png", strength={"noise": 0.5})


def test_the_divider_has_before_on_its_left(page, service):
    give(page, service, photo_png=photo(3, 64))
    page.get_by_role("slider", name="Divider").focus()
    both, shown = canvas(page), {}
    for key in ("Home", "End"):
        page.keyboard.press(key)
        shown[key] = canvas(page)
    middle = both.shape[1] // 2
    rows = slice(both.shape[0] // 2 + 60, both.shape[0] // 2 + 120)
    assert (both[rows, middle - 120 : middle - 40] == shown["End"][rows, middle - 120 : middle - 40]).all()
    assert (both[rows, middle + 40 : middle + 120] == shown["Home"][rows, middle + 40 : middle + 120]).all()
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert page.locator("#divider").get_attribute("aria-valuenow") == "25"


def test_zoom_is_by_pixels_of_the_photo(page, service):
    give(page, service, photo_png=photo(3, 64))
    scale = page.locator("#scale")
    for button, key, said in (("100 %", "1", "100 %"), ("400 %", "4", "400 %"), ("Fit", "0", "200 %")):
        page.get_by_role("button", name=button, exact=True).click()
        api.expect(scale).to_have_text(said)
        page.locator("#canvas").focus()
        page.keyboard.press("+")
        page.keyboard.press(key)
        api.expect(scale).to_have_text(said)
    page.keyboard.press("4")
    page.keyboard.down(" ")
    shown = canvas(page)
    page.keyboard.up(" ")
    was = np.asarray(PIL.Image.open(io.BytesIO(photo(3, 64)))).astype(int)
    top, left = (side // 2 - 128 for side in shown.shape[:2])
    blocks = shown[top : top + 256, left : left + 256].reshape(64, 4, 64, 4, 3)
    off = np.abs(blocks[:, 2, :, 2] - was)
    assert np.median(off) == 0  # each pixel is a square of 4 × 4, but where labels lie


def test_repairs_are_added_ordered_taken_away_and_undone(page, service, restored):
    data = jpeg(4)
    give(page, service, photo_jpg=data)
    add(page, "blur")
    panel(page).get_by_role("button", name="Out of focus earlier").click()
    panel(page).get_by_role("button", name="Repair again").click()
    settled(page)
    assert downloaded(page, "Download")[1] == restored(data, "photo.jpg", kinds=("blur", "noise"))
    panel(page).get_by_role("button", name="Without the repair of Out of focus").click()
    panel(page).get_by_role("button", name="Undo").click()
    api.expect(panel(page).locator(".chips li:not(.add)")).to_have_count(2)
    api.expect(panel(page).get_by_role("button", name="Download")).to_be_visible()
    for kind in ("Noise", "Out of focus"):
        panel(page).get_by_role("button", name=f"Without the repair of {kind}").click()
    panel(page).get_by_role("button", name="Repair again").click()
    settled(page)
    api.expect(panel(page).locator(".state")).to_contain_text("took every repair away")
    assert downloaded(page, "Download") == ("photo.jpg", data)
    panel(page).get_by_role("button", name="As darnet found").click()
    settled(page)
    assert downloaded(page, "Download")[1] == restored(data, "photo.jpg")


def add(page: Any, kind: str) -> None:
    panel(page).get_by_role("combobox").select_option(kind)
    panel(page).get_by_role("button", name="Add", exact=True).click()


def fail(page: Any, status: int) -> None:
    """The next repairs are refused."""
    body = f'{{"type": "about:blank", "title": "", "status": {status}, "detail": "not done within 60 s, and ended"}}'
    page.route("**/v1/restore", lambda route: route.fulfill(status=status, body=body, content_type="application/json"))


def test_what_fails_takes_nothing_away(page, service, restored):
    page.allowed = "status of 504"
    data = jpeg(6)
    give(page, service, photo_jpg=data)
    fail(page, 504)
    add(page, "blur")
    panel(page).get_by_role("button", name="Repair again").click()
    settled(page)
    api.expect(panel(page).get_by_role("alert")).to_contain_text("It took longer than this service allows")
    panel(page).get_by_role("button", name="Undo").click()
    api.expect(panel(page).get_by_role("alert")).to_have_count(0)
    api.expect(panel(page).locator(".chips li:not(.add)")).to_have_count(1)
    assert downloaded(page, "Download")[1] == restored(data, "photo.jpg")


def test_undo_goes_back_over_a_repair(page, service):
    give(page, service, photo_jpg=jpeg(6))
    add(page, "blur")
    panel(page).get_by_role("button", name="Repair again").click()
    settled(page)
    panel(page).get_by_role("button", name="Undo").click()
    api.expect(panel(page).locator(".chips li:not(.add)")).to_have_count(1)
    panel(page).get_by_role("button", name="Repair again").click()
    settled(page)
    api.expect(panel(page).get_by_role("button", name="Download")).to_be_visible()


def test_the_focus_is_never_lost(page, service):
    """Whatever is done by keys, the next key goes on from there."""
    give(page, service, a_jpg=jpeg(6), b_jpg=jpeg(7))
    lost = "() => document.activeElement === document.body"
    add(page, "blur")
    for name in ("Out of focus earlier", "Noise earlier", "Undo", "Undo", "Without the repair of Out of focus"):
        panel(page).get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        assert not page.evaluate(lost), name
    add(page, "blur")
    add(page, "overexposure")
    assert not page.evaluate(lost), "the last kind is added"
    panel(page).get_by_role("button", name="Repair again").focus()
    page.keyboard.press("Enter")
    settled(page)
    assert not page.evaluate(lost)
    panel(page).get_by_role("button", name="As darnet found").focus()
    page.keyboard.press("Enter")
    settled(page)
    assert not page.evaluate(lost)
    panel(page).get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    assert not page.evaluate(lost)


def test_why_a_zip_fails_is_seen(page, service):
    page.allowed = "status of 504"
    give(page, service, a_png=photo(1), b_png=photo(2))
    panel(page).get_by_role("slider").fill("50")
    api.expect(panel(page).locator("output")).to_have_text("50 %")
    fail(page, 504)
    page.evaluate("() => { delete window.showSaveFilePicker; }")
    page.get_by_role("button", name="Download all").click()
    api.expect(page.locator("#notice")).to_contain_text("a.png: It took longer than this service allows")


def test_a_mask_is_painted(page, service):
    data = photo(5, 64)
    give(page, service, photo_png=data)
    page.get_by_role("button", name="100 %", exact=True).click()
    page.get_by_role("button", name="Paint where").click()
    box = page.locator("#canvas").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.get_by_label("Size").fill("200")
    page.mouse.move(middle[0] + 20, middle[1] - 40)
    page.mouse.down()
    before = canvas(page)
    page.mouse.move(middle[0] + 20, middle[1] + 40, steps=5)
    assert (canvas(page) != before).any(axis=-1).sum() > 1000  # it is seen while it is drawn
    page.mouse.up()
    panel(page).get_by_role("button", name="Repair again").click()
    settled(page)
    name, kept = downloaded(page, "Download")
    was, now = (np.asarray(PIL.Image.open(io.BytesIO(one))).astype(int) for one in (data, kept))
    assert name == "photo.restored.png"
    assert (was[:, :40] == now[:, :40]).all()
    assert (was[:, 48:56] != now[:, 48:56]).any()


def test_several_are_kept_in_one_zip(page, service, restored):
    given = {"a_jpg": jpeg(1), "b_png": photo(2), "c_tif": photo(3, format="tiff")}
    give(page, service, **given)
    again = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg(7)}
    page.set_input_files("#files", [again])
    settled(page)
    page.evaluate("() => { delete window.showSaveFilePicker; }")  # a dialog of the system's, which no test can answer
    name, kept = downloaded(page, "Download all")
    with zipfile.ZipFile(io.BytesIO(kept)) as held:
        assert name == "darnet.zip"
        assert held.testzip() is None
        assert held.namelist() == ["a.restored.jpg", "b.restored.png", "c.restored.tif", "a.restored (2).jpg"]
        for file, data in given.items():
            stem, suffix = file.split("_")
            assert held.read(f"{stem}.restored.{suffix}") == restored(data, f"{stem}.{suffix}")


def test_what_is_no_photo_is_said_in_words_and_the_next_is_repaired(page, service):
    page.allowed = "status of 415"  # Chromium notes it by itself
    give(page, service, bad_jpg=b"no photo", good_png=photo())
    api.expect(panel(page).get_by_role("alert")).to_contain_text(re.compile("not a .*JPEG", re.IGNORECASE))
    api.expect(page.locator("#pictures button.failed")).to_have_count(1)
    api.expect(page.locator("#pictures button.repaired")).to_have_count(1)


def test_a_photo_is_pasted_and_dropped(page, service):
    page.goto(service.url)
    give_by = """([data, how]) => {
        const transfer = new DataTransfer();
        const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
        transfer.items.add(new File([bytes], `${how}.png`, { type: "image/png" }));
        const event = how === "paste" ? new ClipboardEvent("paste", { clipboardData: transfer })
          : new DragEvent("drop", { dataTransfer: transfer, cancelable: true });
        dispatchEvent(event);
    }"""
    import base64

    for how in ("paste", "drop"):
        page.evaluate(give_by, [base64.b64encode(photo(len(how))).decode(), how])
    settled(page)
    api.expect(page.locator("#pictures button.repaired")).to_have_count(2)


def test_a_token_is_asked_for_once(page, serve):
    page.allowed = "status of 401"
    service = serve(access=Access(token="long-enough-a-token"))
    page.goto(service.url)
    for token, wrong in (("token-of-others", True), ("пароль", True), ("long-enough-a-token", False)):
        page.get_by_role("textbox", name="Token").fill(token)
        page.keyboard.press("Enter")
        if wrong:
            api.expect(page.locator("#wrong")).to_be_visible()
            api.expect(page.get_by_role("textbox", name="Token")).to_have_value("")
    page.set_input_files("#files", [{"name": "a.png", "mimeType": "image/png", "buffer": photo()}])
    settled(page)
    api.expect(page.locator("#pictures button.repaired")).to_have_count(1)


def test_a_refusal_that_comes_after_the_token_asks_for_none(page, serve):
    page.allowed = "status of 401"
    service = serve(access=Access(token="long-enough-a-token"))
    held = list[Any]()
    page.route("**/v1/diagnose", lambda route: route.fallback() if held else held.append(route))
    page.goto(service.url)
    field = page.get_by_role("textbox", name="Token")
    field.fill("long-enough-a-token")
    with page.expect_request("**/v1/diagnose"):
        page.set_input_files("#files", [{"name": "a.png", "mimeType": "image/png", "buffer": photo()}])
    with page.expect_response(lambda answer: answer.url.endswith("/v1/experts") and answer.ok):
        page.keyboard.press("Enter")
    held[0].continue_()
    settled(page)
    api.expect(page.locator("#pictures button.repaired")).to_have_count(1)
    api.expect(field).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_in_anybodys_way(page, service, theme):
    """axe-core on the empty page and on one with a repaired photo."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.goto(service.url)
    for filled in (False, True):
        if filled:
            give(page, service, photo_jpg=jpeg())
        found = axe.run(page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []


def test_the_interface_is_told_to_who_reads(page, service):
    page.goto(f"{service.url}/docs")
    for path in service.get("/openapi.json").json()["paths"]:
        api.expect(page.get_by_role("heading", name=path).first).to_be_visible()
    api.expect(page.locator("#restore_v1_restore_post tbody th").first).to_have_text("file")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = [one["id"] for one in axe.run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert found == []


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768), (390, 844)])
def test_nothing_is_wider_than_the_window(page, service, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    give(page, service, photo_jpg=jpeg(), long_name_of_a_file_jpg=jpeg(2))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]


def test_it_is_painted_within_a_second(page, service):
    page.goto(service.url)
    page.wait_for_timeout(300)
    paint = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    assert paint is not None
    assert paint < PAINTED_WITHIN_MS

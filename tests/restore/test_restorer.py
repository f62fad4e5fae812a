from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import pyvips
import torch
from torch import Tensor

import darnet
from darnet.errors import UnknownNameError, UsageError, WeightsError
from darnet.images import scratch
from darnet.images.image import Image
from darnet.images.regions import RegionSource
from darnet.images.tiles import TileFunction, TilePlan
from darnet.models import cards
from darnet.models.compact import CompactUNet
from darnet.models.daair import DaAIR
from darnet.restore.diagnosis import Diagnosis
from darnet.restore.experts import Expert, SelfEnsemble
from darnet.restore.experts.base import TiledExpert
from darnet.restore.restorer import Restorer
from darnet.restore.routers import Always
from darnet.systems.loading import LazyExperts, load_expert
from darnet.testing import wake

PICTURE = np.random.default_rng(0).integers(0, 200, (12, 10, 3), dtype=np.uint8)


def brighten(pixels: Tensor) -> Tensor:
    return (pixels + 20 / 255).clamp(0, 1)


def darken(pixels: Tensor) -> Tensor:
    return (pixels - 10 / 255).clamp(0, 1)


EXPERTS = {"noise": brighten, "blur": darken}


def restorer(label: str, **options: object) -> Restorer:
    return Restorer(Always(label), EXPERTS, **options)  # type: ignore[arg-type]


def test_the_expert_for_the_damage_repairs_it() -> None:
    result = restorer("noise")(PICTURE)
    np.testing.assert_array_equal(result.image, PICTURE + 20)
    assert result.diagnosis is not None
    assert (result.diagnosis.label, result.experts, result.changed) == ("noise", ("noise",), True)
    assert result.seconds >= sum(step.seconds for step in result.steps) > 0
    assert list(result.stages) == ["diagnose", "repair"]
    assert 0.5 * result.seconds < sum(result.stages.values()) <= result.seconds
    assert result.to_dict()["stages"] == result.stages


KINDS_OF_INPUT: list[Callable[[], object]] = [
    PICTURE.copy,
    PICTURE[..., 0].copy,
    lambda: PICTURE.astype(np.uint16) * 257,
    lambda: PICTURE / 255,
    lambda: PIL.Image.fromarray(PICTURE),
    lambda: torch.from_numpy(PICTURE.transpose(2, 0, 1) / 255),
]


def as_array(source: object) -> np.ndarray:
    return source.numpy() if isinstance(source, Tensor) else np.asarray(source)


@pytest.mark.parametrize("make", KINDS_OF_INPUT)
@pytest.mark.parametrize("label", ["clean", "noise"])
def test_the_same_kind_comes_back_and_the_input_stays(make: Callable[[], object], label: str) -> None:
    source, untouched = make(), make()
    image = restorer(label)(source).image
    assert type(image) is type(source)
    assert as_array(image).shape == as_array(source).shape
    assert as_array(image).dtype == as_array(source).dtype
    np.testing.assert_array_equal(as_array(source), as_array(untouched))
    if label == "clean":
        np.testing.assert_array_equal(as_array(image), as_array(source))
    else:
        assert (as_array(image) != as_array(source)).all()


@pytest.mark.parametrize("make", KINDS_OF_INPUT)
def test_strength_0_returns_the_input_exactly(make: Callable[[], object]) -> None:
    result = restorer("noise")(make(), strength=0)
    np.testing.assert_array_equal(as_array(result.image), as_array(make()))
    assert not result.changed


def test_strength_blends() -> None:
    np.testing.assert_array_equal(restorer("noise")(PICTURE, strength=0.5).image, PICTURE + 10)


def test_files(tmp_path: Path) -> None:
    path = Image.of(PICTURE).write(tmp_path / "photo.png")
    result = restorer("noise")(path)
    assert isinstance(result.image, Image)
    result.save(tmp_path / "out.png")
    np.testing.assert_array_equal(Image.read(tmp_path / "out.png").array, PICTURE + 20)


def test_the_user_may_say_what_is_wrong() -> None:
    result = restorer("clean")(PICTURE, kinds=("noise", "blur"))
    np.testing.assert_array_equal(result.image, PICTURE + 20 - 10)
    assert result.experts == ("noise", "blur")
    assert result.diagnosis is None  # nobody looked
    with pytest.raises(
        UnknownNameError, match=r"`kinds=\['noies'\]`: no expert called 'noies'; did you mean 'noise'\?"
    ):
        restorer("clean")(PICTURE, kinds=("noies",))


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (("blur", "noise", "blur"), r"`kinds=\['blur', 'noise', 'blur'\]`: blur is named twice"),
        (("noise", "blur", "noise", "blur"), r"`kinds=.*`: noise is named twice"),
        (("noise", "grainy"), r"`kinds=\['noise', 'grainy'\]`: noise and grainy are one kind"),
    ],
)
def test_a_kind_is_repaired_once(kinds: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=f"^{said}, and a kind is repaired once$"):
        restorer("clean")(PICTURE, kinds=kinds)


def test_one_kind_may_be_a_plain_string() -> None:
    """Not "no expert called 'n'"."""
    assert restorer("clean")(PICTURE, kinds="noise").experts == ("noise",)
    with pytest.raises(UnknownNameError, match="no expert called 'haze'"):
        restorer("clean")(PICTURE, kinds="haze")


def test_below_the_least_confidence_a_picture_is_left_alone() -> None:
    unsure = Restorer(lambda _: Diagnosis({"noise": 0.6, "clean": 0.4}), EXPERTS, min_confidence=0.7)
    result = unsure(PICTURE)
    np.testing.assert_array_equal(result.image, PICTURE)
    assert result.steps[0].expert is None
    assert result.warnings == ("left alone: noise 60 % is below the least confidence of 70 %; try `kinds=['noise']`",)


@pytest.mark.parametrize(("score", "told"), [(0.597, "59.7 % is .* 60.0 %"), (0.59996, "59.996 % is .* 60.000 %")])
def test_what_is_just_below_does_not_look_the_same(score: float, told: str) -> None:
    """It was "60 % is below the least confidence of 60 %" once."""
    unsure = Restorer(lambda _: Diagnosis({"noise": score, "clean": 1 - score}), EXPERTS, min_confidence=0.6)
    assert re.match(f"left alone: noise {told};", unsure(PICTURE).warnings[0])


@pytest.mark.parametrize(("least", "experts"), [({"noise": 0.5}, ("noise",)), ({"blur": 0.5}, ())])
def test_a_kind_may_have_a_least_confidence_of_its_own(least: dict[str, float], experts: tuple[str, ...]) -> None:
    diagnosis = Diagnosis({"noise": 0.6, "clean": 0.4})
    assert Restorer(lambda _: diagnosis, EXPERTS, 0.7, least)(PICTURE).experts == experts


def test_a_bar_below_a_half_reaches_what_is_called_clean() -> None:
    """It had no effect: kinds were present above 0.5, whatever the bar."""
    diagnosis = Diagnosis({"clean": 0.6, "noise": 0.4, "blur": 0.38, "haze": 0.1})
    system = Restorer(lambda _: diagnosis, EXPERTS, min_confidence=0.39)
    result = system(PICTURE)
    assert (result.experts, result.warnings) == (("noise",), ())
    assert Restorer(lambda _: diagnosis, EXPERTS, min_confidence=0.3)(PICTURE).experts == ("noise", "blur")
    assert Restorer(lambda _: diagnosis, EXPERTS, min_confidences={"blur": 0.3})(PICTURE).experts == ("blur",)
    assert not Restorer(lambda _: diagnosis, EXPERTS)(PICTURE).changed


def test_what_may_be_wrong_is_said_where_a_picture_is_left_alone() -> None:
    diagnosis = Diagnosis({"clean": 0.65, "noise": 0.15, "haze": 0.3, "blur": 0.35}, {"blur": 1.5})
    result = Restorer(lambda _: diagnosis, EXPERTS)(PICTURE)
    assert not result.changed
    assert result.warnings == ("not called damaged, but blur 35 % (σ ≈ 1.5) is possible; try `kinds=['blur']`",)
    noted = Restorer(lambda _: diagnosis, EXPERTS, min_hints={"noise": 0.1, "blur": 0.4})(PICTURE)
    assert noted.warnings == ("not called damaged, but noise 15 % is possible; try `kinds=['noise']`",)


def test_of_a_dark_picture_that_is_left_alone_is_said_how_dark_it_is() -> None:
    system = Restorer(lambda _: Diagnosis({"clean": 0.99, "lowlight": 0.01}), {"lowlight": lambda pixels: pixels * 2})
    night = PICTURE // 10
    assert system(night).warnings == ("not called damaged, but 100 % of it is nearly black; try `kinds=['lowlight']`",)
    assert system(PICTURE).warnings == ()
    assert Restorer(system.router, EXPERTS)(night).warnings == ()  # nobody there who could repair it


def test_a_clean_verdict_is_not_refused() -> None:
    """It was once warned about: below the least confidence, or no photo."""
    for picture in (PICTURE, page()):
        for warning in Restorer(lambda _: Diagnosis({"clean": 0.55, "noise": 0.45}), EXPERTS)(picture).warnings:
            assert "least confidence" not in warning
            assert "left alone" not in warning
    bright = Restorer(lambda _: Diagnosis({"clean": 0.55, "overexposure": 0.45}), {"overexposure": darken})
    assert bright(page()).warnings == ()


def test_a_strength_of_a_kind_that_is_not_named_is_refused() -> None:
    """Nothing could use it; of what is yet to be found out anything may."""
    with pytest.raises(UnknownNameError, match="blur"):
        restorer("noise")(PICTURE, kinds=["noise"], strength={"blur": 0.5})
    with pytest.raises(UnknownNameError, match="blur"):
        restorer("noise").check(["noise"], {"noise": 0.5, "blur": 0.5})
    assert restorer("noise")(PICTURE, kinds=["grainy"], strength={"noisy": 0.5}).experts == ("noise",)
    assert restorer("noise")(PICTURE, strength={"blur": 0.5}).experts == ("noise",)


def test_where_the_user_names_the_damage_nobody_diagnoses_a_hidden_picture() -> None:
    hidden = np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])
    result = restorer("noise")(hidden, kinds=["noise"])
    assert result.diagnosis is None
    assert result.warnings == ("left alone: all of it is hidden by alpha",)
    assert restorer("noise")(hidden).diagnosis.label == "clean"


def test_the_most_certain_kind_that_may_be_acted_on_is_repaired() -> None:
    diagnosis = Diagnosis({"clean": 0.05, "haze": 0.95, "blur": 0.7, "noise": 0.9})
    once = Restorer(lambda _: diagnosis, EXPERTS, max_steps=1)(PICTURE)
    assert once.experts == ("noise",)  # there is no expert for haze
    assert once.warnings == ("left alone: there is no expert for haze", "blur not repaired: `max_steps=1`")
    system = replace(Restorer(lambda _: diagnosis, EXPERTS, max_steps=1), limited_by="system tiny")(PICTURE)
    assert system.warnings[1] == "blur not repaired: system tiny repairs 1 at most; `max_steps` sets another limit"
    unsure = Restorer(lambda _: diagnosis, EXPERTS, 0.6, {"noise": 0.92})(PICTURE)
    assert unsure.experts == ("blur",)
    assert "noise not repaired: 90 % at first, 90 % after blur; try `kinds=['blur', 'noise']`" in unsure.warnings
    alone = Restorer(lambda _: Diagnosis({"clean": 0.1, "noise": 0.9}), EXPERTS, 0.6, {"noise": 0.92})(PICTURE)
    below = "left alone: noise 90 % is below the least confidence of 92 %; try `kinds=['noise']`"
    assert alone.warnings == (below,)
    again = Restorer(lambda _: diagnosis, EXPERTS)(PICTURE)
    assert again.experts == ("noise", "blur")  # each once
    assert again.warnings == ("left alone: there is no expert for haze",)


def test_a_kind_without_an_expert_is_left_alone() -> None:
    result = restorer("haze")(PICTURE)
    assert not result.changed
    assert result.warnings == ("left alone: there is no expert for haze",)


class Script:
    """A router that gives prepared answers, one a look; it suspects whatever it says later."""

    def __init__(self, *labels: str) -> None:
        self.labels = list(labels)

    def __call__(self, pixels: Tensor) -> Diagnosis:
        label = self.labels.pop(0)
        return Diagnosis(dict.fromkeys(self.labels, 0.3) | {label: 1.0})


@pytest.mark.parametrize(
    ("labels", "max_steps", "experts"),
    [
        (("noise", "blur", "clean"), 5, ("noise", "blur")),
        (("noise", "blur", "clean"), 1, ("noise",)),
        (("noise", "noise"), 5, ("noise",)),  # a second noise repair would not help
        (("clean",), 5, ()),
    ],
)
def test_mixed_damage_is_looked_at_again(labels: tuple[str, ...], max_steps: int, experts: tuple[str, ...]) -> None:
    result = Restorer(Script(*labels), EXPERTS, max_steps=max_steps)(PICTURE)
    assert result.experts == experts


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range(strength: float) -> None:
    with pytest.raises(UsageError, match="`strength="):
        restorer("noise")(PICTURE, strength=strength)


def test_a_confidence_that_is_no_number_is_refused(unchecked: None) -> None:
    with pytest.raises(UsageError, match="`min_confidence`: expected a number from 0 to 1, not str"):
        restorer("noise", min_confidence="0.5")


def test_options_out_of_range() -> None:
    with pytest.raises(UsageError, match="`min_confidence="):
        restorer("noise", min_confidence=2.0)
    with pytest.raises(UsageError, match=r"`min_confidences\['noise'\]=-1`"):
        restorer("noise", min_confidences={"noise": -1.0})
    with pytest.raises(UsageError, match="`max_steps="):
        restorer("noise", max_steps=0)


def test_grey_stays_grey_and_alpha_is_carried() -> None:
    grey_alpha = np.dstack([PICTURE[..., 0], PICTURE[..., 1]])
    image = restorer("noise")(grey_alpha).image
    np.testing.assert_array_equal(image[..., 0], PICTURE[..., 0] + 20)
    np.testing.assert_array_equal(image[..., 1], PICTURE[..., 1])


def test_load_reads_a_system(tiny_system: Path) -> None:
    loaded = darnet.load(tiny_system, device="cpu")
    assert set(loaded.experts) == {"noise", "blur", "overexposure"}
    assert loaded(PICTURE).image.shape == PICTURE.shape


def test_the_best_quality_takes_the_large_expert_and_asks_it_eight_times(tiny_system: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_system, tmp_path / "system"))
    large = CompactUNet(width=8, blocks=(1, 1))
    cards.save(
        large, cards.Card(name="large", kind="compact-unet", config={"width": 8, "blocks": [1, 1]}), folder / "L"
    )
    document = json.loads((folder / "system.json").read_text()) | {"large_experts": {"noise": "L"}}
    (folder / "system.json").write_text(json.dumps(document))
    fast, best = (darnet.load(folder, device="cpu", quality=quality) for quality in ("fast", "best"))
    for kind, width in (("noise", 8), ("blur", 4)):
        expert = best.experts[kind]
        assert isinstance(expert, SelfEnsemble)
        assert expert.expert.backend.model.head.out_channels == width
        assert fast.experts[kind].backend.model.head.out_channels == 4
    np.testing.assert_array_equal(best(PICTURE).image, PICTURE)  # the untrained large expert returns its input
    assert not np.array_equal(fast(PICTURE).image, PICTURE)


def test_experts_inside_a_network_are_told_the_kind(tiny_system: Path, tmp_path: Path) -> None:
    """One network for both kinds, whose own routers would take everything for noise."""
    kinds = ["noise", "blur"]
    config = {"kinds": kinds, "width": 4, "blocks": [1] * 8, "expansion": 0, "rank_divisor": 2, "kernel": 3}
    model = DaAIR(**config)
    wake(model, std=0.3)
    for name, weight in model.named_parameters():
        if "route" in name:
            weight.data = torch.eye(2)[0] if name.endswith("bias") else torch.zeros_like(weight)
    folder = Path(shutil.copytree(tiny_system, tmp_path / "inside"))
    cards.save(model, cards.Card(name="both", kind="daair", config=config, handles=kinds), folder / "both")
    document = json.loads((folder / "system.json").read_text())
    (folder / "system.json").write_text(json.dumps(document | {"experts": dict.fromkeys(kinds, "both")}))
    restored = {kind: darnet.load(folder, device="cpu")(PICTURE, kinds=[kind]).image for kind in kinds}
    own = Restorer(Always("both"), {"both": load_expert(folder / "both", "cpu")})
    alone = own(PICTURE).image
    np.testing.assert_array_equal(restored["noise"], alone)
    assert not np.array_equal(restored["blur"], alone)


def test_kinds_that_share_a_folder_share_its_expert(tiny_system: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_system, tmp_path / "shared"))
    document = json.loads((folder / "system.json").read_text())
    (folder / "system.json").write_text(json.dumps(document | {"experts": {"noise": "noise", "grain": "noise"}}))
    experts = darnet.load(folder, device="cpu").experts
    assert experts["noise"] is experts["grain"]
    best = darnet.load(folder, device="cpu", quality="best").experts
    assert best["noise"].expert is best["grain"].expert


def only(kind: str) -> LazyExperts:
    """Experts for noise and blur, of which one can be had."""

    def load(folder: Path) -> Expert:
        assert folder.name == kind
        return brighten

    return LazyExperts({kind: Path(kind) for kind in EXPERTS}, load)


@pytest.mark.parametrize("kind", EXPERTS)
def test_only_experts_that_are_needed_are_loaded(kind: str) -> None:
    system = Restorer(Always(kind), only(kind))
    np.testing.assert_array_equal(system(PICTURE).image, PICTURE + 20)
    np.testing.assert_array_equal(system(PICTURE, kinds=[kind]).image, PICTURE + 20)
    nobody = Restorer(Always("clean"), only("nothing"))
    assert nobody.diagnose(PICTURE).label == "clean"
    assert not nobody(PICTURE).changed
    assert not Restorer(Always("noise"), only("nothing"))(PICTURE, strength=0).changed


def test_a_damaged_expert_is_named_when_it_is_needed(tiny_system: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_system, tmp_path / "damaged"))
    path = folder / "blur" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    system = darnet.load(folder, device="cpu")
    assert system(PICTURE).experts == ("noise",)
    with pytest.raises(WeightsError, match=r"blur/model\.safetensors: damaged: not the file"):
        system(PICTURE, kinds=["blur"])


def test_files_that_are_missing_or_cut_off_are_named_at_once(tiny_system: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_system, tmp_path / "cut"))
    path = folder / "blur" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"blur/model\.safetensors: damaged"):
        darnet.load(folder, device="cpu")
    path.unlink()
    with pytest.raises(WeightsError, match=r"blur/model\.safetensors: weights are missing"):
        darnet.load(folder, device="cpu")
    (folder / "blur" / "card.json").write_text("{")
    with pytest.raises(WeightsError, match=r"blur/card\.json: not JSON"):
        darnet.load(folder, device="cpu")
    shutil.rmtree(folder / "blur")
    (tmp_path / "half.onnx").write_bytes(b"x")
    reference = cards.Reference(name="half", file="half.onnx")
    cards.write_reference(reference, folder / "blur", tmp_path / "half.onnx")
    darnet.load(folder, device="cpu")
    (folder / "blur" / "half.onnx").unlink()
    with pytest.raises(WeightsError, match=r"blur/half\.onnx: .* missing"):
        darnet.load(folder, device="cpu")


@pytest.mark.parametrize(
    "options", [{"device": "abacus"}, {"device": "cuda:99"}, {"device": "cpu", "precision": "fp16"}]
)
def test_a_device_that_cannot_be_is_refused_at_once(tiny_system: Path, tmp_path: Path, options: dict[str, str]) -> None:
    """Also where the router has no use for one."""
    folder = Path(shutil.copytree(tiny_system, tmp_path / "system"))
    reference = cards.Reference(name="r", registered="always", config={"label": "noise"})
    cards.write_reference(reference, folder / "always")
    document = json.loads((folder / "system.json").read_text())
    (folder / "system.json").write_text(json.dumps(document | {"router": "always"}))
    with pytest.raises(UsageError):
        darnet.load(folder, **options)  # type: ignore[arg-type]


def test_load_refuses_a_damaged_system(tiny_system: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no system called 'nothing'"):
        darnet.load("nothing")
    with pytest.raises(WeightsError, match=r"no system\.json"):
        darnet.load(tmp_path)


def test_what_was_left_alone_is_a_copy() -> None:
    source = PICTURE.copy()
    image = restorer("clean")(source).image
    image[:] = 0
    np.testing.assert_array_equal(source, PICTURE)


@pytest.mark.parametrize("leaf", [True, False])
def test_a_tensor_with_a_gradient_may_be_left_alone(leaf: bool) -> None:
    """What is computed from weights cannot be deep-copied."""
    source = torch.rand(3, 12, 10, requires_grad=True)
    source = source if leaf else source * 1
    image = restorer("clean")(source).image
    assert torch.equal(image, source)
    assert not image.requires_grad
    assert image.data_ptr() != source.data_ptr()


def test_a_confidence_that_is_no_number_repairs_nothing() -> None:
    nan = float("nan")
    assert not Restorer(lambda _: Diagnosis({"noise": nan, "clean": nan}), EXPERTS)(PICTURE).changed


def test_strength_0_with_a_prescription_does_not_look() -> None:
    result = restorer("clean")(PICTURE, kinds=("noise",), strength=0)
    assert result.diagnosis is None
    assert not result.changed


def test_a_system_may_take_a_part_of_one_that_ships(tiny_system: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_system, tmp_path / "borrowing"))
    document = json.loads((folder / "system.json").read_text())
    (folder / "system.json").write_text(json.dumps(document | {"router": "package:darnet/router"}))
    diagnosis = darnet.load(folder, device="cpu").diagnose(PICTURE)
    assert set(diagnosis.scores) == set(darnet.load("darnet", device="cpu").diagnose(PICTURE).scores)
    (folder / "system.json").write_text(json.dumps(document | {"router": "../tiny/router"}))
    with pytest.raises(WeightsError, match="is no part"):
        darnet.load(folder)


def colourful(pixels: Tensor) -> Tensor:
    """An expert that tints."""
    return pixels ** torch.tensor([0.7, 0.8, 0.93])[:, None, None]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("strength", [1.0, 0.37])
def test_grey_in_grey_out_whatever_the_experts_do(dtype: type, strength: float) -> None:
    """Grey stored as RGB once came back with up to 33 levels of colour."""
    grey = np.random.default_rng(0).random((131, 77, 1))
    grey = grey.astype(dtype) if dtype == np.float32 else (grey * np.iinfo(dtype).max).astype(dtype)
    seen = list[bool]()

    def looks(pixels: Tensor) -> Tensor:
        seen.append(torch.equal(pixels[0], pixels[1]) and torch.equal(pixels[0], pixels[2]))
        return colourful(pixels)

    system = Restorer(Script("noise", "blur", "clean"), {"noise": looks, "blur": looks}, max_steps=3)
    image = system(np.repeat(grey, 3, axis=2), strength=strength).image
    assert (image == image[..., :1]).all()
    assert (image[..., :1] != grey).any()
    assert seen == [True, True]
    image = Restorer(Always("noise"), {"noise": colourful})(np.repeat(grey, 3, axis=2), kinds=["noise"]).image
    assert (image == image[..., :1]).all()


def cut_out(hidden: int) -> np.ndarray:
    picture = np.full((90, 100, 4), hidden, np.uint8)
    picture[..., 3] = 0
    picture[20:70, 30:90, :3] = np.random.default_rng(0).integers(100, 121, (50, 60, 3), np.uint8)
    picture[20:70, 30:90, 3] = 255
    picture[20:70, 30:40, 3] = 1  # hardly seen is seen
    return picture


@pytest.mark.parametrize("kinds", [(), ("noise",)])
def test_hidden_pixels_are_neither_judged_nor_touched(kinds: tuple[str, ...]) -> None:
    looked = list[Tensor]()

    def router(pixels: Tensor) -> Diagnosis:
        looked.append(pixels)
        return Diagnosis({"noise": 1.0})

    system = Restorer(router, EXPERTS)
    for hidden in (0, 255):
        picture = cut_out(hidden)
        image, expected = system(picture, kinds=kinds).image, cut_out(hidden)
        expected[20:70, 30:90, :3] += 20
        np.testing.assert_array_equal(image, expected)
        system.diagnose(picture)
    for pixels in looked:
        assert 55 / 255 < float(pixels.min()) < float(pixels.max()) < 165 / 255
        assert pixels.shape[1:] == (64, 80)


def framed(colour: int) -> np.ndarray:
    picture = np.full((140, 150, 3), colour, np.uint8)
    picture[30:110, 20:120] = np.random.default_rng(0).integers(100, 121, (80, 100, 3), np.uint8)
    return picture


@pytest.mark.parametrize("colour", [255, 245, 0])
def test_a_frame_is_no_evidence_and_stays(colour: int) -> None:
    def router(pixels: Tensor) -> Diagnosis:
        inside = 55 / 255 < float(pixels.min()) <= float(pixels.max()) < 165 / 255
        return Diagnosis({"noise" if inside else "blur": 1.0})

    expected = framed(colour)
    expected[30:110, 20:120] += 20
    result = Restorer(router, EXPERTS)(framed(colour))
    np.testing.assert_array_equal(result.image, expected)
    told = Restorer(router, EXPERTS)(framed(245), kinds=["blur"]).image
    np.testing.assert_array_equal(told, framed(245) - 10)  # who says what is wrong says it of the frame, too


EMPTY = {
    "one colour": np.full((40, 40, 3), 130, np.uint8),
    "too few": PICTURE[:1, :1],
    "5000 × 1": np.tile(PICTURE[:1], (1, 500, 1)),
    "hidden by alpha": np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)]),
}


@pytest.mark.parametrize("reason", EMPTY)
def test_where_there_is_nothing_to_judge_nothing_is_done(reason: str) -> None:
    def router(pixels: Tensor) -> Diagnosis:
        raise AssertionError("there is nothing to look at")

    system = Restorer(router, EXPERTS)
    result = system(EMPTY[reason])
    np.testing.assert_array_equal(result.image, EMPTY[reason])
    assert not result.changed
    assert len(result.warnings) == 1
    assert reason in result.warnings[0]
    assert system.diagnose(EMPTY[reason]).label == "clean"
    told = system(EMPTY[reason], kinds=["noise"])
    assert told.changed is (reason != "hidden by alpha")


def page() -> np.ndarray:
    """Grey letters, so to speak, on white."""
    picture = np.full((96, 96, 3), 255, np.uint8)
    picture[10:80:8, 10:80] = np.random.default_rng(0).integers(0, 256, (9, 70, 1), np.uint8)
    return picture


def test_a_graphic_is_not_repaired_as_a_tone_problem() -> None:
    system = Restorer(Always("overexposure"), {"overexposure": darken, "noise": darken})
    result = system(page())
    np.testing.assert_array_equal(result.image, page())
    assert not result.changed
    assert result.steps[0].expert is None
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("left alone: ")
    assert result.warnings[0].endswith("; `kinds=['overexposure']` repairs it all the same")
    assert system(page(), kinds=["overexposure"]).changed
    assert Restorer(Always("noise"), {"noise": darken})(page()).changed
    assert not system(page(), strength=0).changed


P3 = bytes(pyvips.Image.profile_load("p3"))
COLOURED = np.random.default_rng(1).integers(60, 180, (48, 40, 3), dtype=np.uint8)


def in_p3(srgb: np.ndarray) -> Image:
    picture = pyvips.Image.new_from_array(srgb).copy(interpretation="srgb")
    return Image(picture.icc_transform("p3", input_profile="srgb").numpy(), profile=P3)


def test_a_network_sees_the_colours_whatever_the_profile() -> None:
    seen: list[Tensor] = []

    def look(pixels: Tensor) -> Diagnosis:
        seen.append(pixels.clone())
        return Diagnosis({"noise": 0.9, "clean": 0.1})

    system = Restorer(look, {"noise": brighten})
    plain, wide = system(COLOURED).restored, system(in_p3(COLOURED)).restored
    torch.testing.assert_close(seen[1], seen[0], atol=1.5 / 255, rtol=0)
    assert float((torch.from_numpy(in_p3(COLOURED).array).permute(2, 0, 1) / 255 - seen[0]).abs().max()) > 9 / 255
    assert wide.profile == P3
    np.testing.assert_allclose(wide.array.astype(int), in_p3(plain.array).array, atol=2)


@pytest.mark.parametrize("options", [{"strength": 0.0}, {"kinds": ["noise"], "strength": 0.0}, {}])
def test_a_picture_with_a_profile_that_is_left_alone_is_bit_identical(options: dict[str, object]) -> None:
    image = in_p3(COLOURED)
    result = restorer("noise" if options else "clean")(image, **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(result.restored.array, image.array)
    assert not result.changed


def test_what_is_said_of_a_picture_is_in_its_result(pictures, recwarn: pytest.WarningsRecorder) -> None:
    path = pictures.damaged("a.tif")
    restorer = Restorer(Always("noise"), EXPERTS)
    photo = PIL.Image.fromarray(COLOURED)
    photo.info["icc_profile"] = b"RGB ".join([bytes(16), bytes(300)])
    metadata, profile = restorer(path).warnings
    assert metadata.startswith("the EXIF is damaged")
    assert restorer(photo).warnings == (profile,)
    assert profile == "the ICC profile is damaged; its colours are taken for sRGB"
    assert not recwarn.list


def test_grey_with_a_profile_stays_grey() -> None:
    image = Image(np.repeat(COLOURED[..., :1], 3, axis=2), profile=P3)
    after = Restorer(Always("noise"), {"noise": colourful})(image).restored.array
    assert (after == after[..., :1]).all()
    assert (after != image.array).any()


@pytest.mark.parametrize("colour", [(0, 255, 0), (255, 255, 255)])
def test_a_frame_and_hidden_pixels_with_a_profile_stay(colour: tuple[int, int, int]) -> None:
    picture = np.full((80, 72, 3), colour, np.uint8)
    picture[16:64, 16:56] = in_p3(COLOURED).array
    alpha = np.zeros(picture.shape[:2], np.uint8)
    alpha[16:64, 16:56] = 255
    seen: list[Tensor] = []

    def look(pixels: Tensor) -> Diagnosis:
        seen.append(pixels.clone())
        return Diagnosis({"noise": 0.9, "clean": 0.1})

    for image in (Image(picture, None, P3), Image(picture, alpha, P3)):
        after = Restorer(look, {"noise": darken})(image).restored.array
        np.testing.assert_array_equal(after[alpha == 0], picture[alpha == 0])
        assert (after[alpha > 0] != picture[alpha > 0]).mean() > 0.9
    torch.testing.assert_close(seen[1][:, :48, :40], seen[0][:, :48, :40], atol=0, rtol=0)


class Dimmed(TiledExpert):
    """Darkens, in tiles that share nothing."""

    def plan(self, height: int, width: int) -> TilePlan:
        return TilePlan.cut(height, width, tile_px=24, overlap_px=8)

    def look(self, source: RegionSource) -> TileFunction:
        return lambda tile, region: tile * torch.tensor([0.7, 0.8, 0.93])[:, None, None]


def subjects() -> dict[str, np.ndarray]:
    colour = np.random.default_rng(2).integers(90, 160, (75, 83, 3), dtype=np.uint8)
    framed = np.full((120, 130, 3), 255, np.uint8)
    framed[30:105, 20:103] = colour
    hidden = np.dstack([colour, np.full(colour.shape[:2], 255, np.uint8)])
    hidden[:20, :50, 3] = 0
    grey = np.repeat(colour[..., :1], 3, axis=2)
    return {"colour": colour, "grey": grey, "framed": framed, "hidden": hidden, "deep": colour.astype(np.uint16) * 257}


@pytest.mark.parametrize("name", subjects())
@pytest.mark.parametrize(("labels", "strength"), [(("noise",), 0.4), (("noise", "blur", "clean"), 1.0)])
def test_by_region_and_from_a_file_a_picture_is_what_it_is_at_once(
    name: str, labels: tuple[str, ...], strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, results = subjects()[name], []
    for expert in (Dimmed(), lambda pixels: pixels * torch.tensor([0.7, 0.8, 0.93])[:, None, None], Dimmed()):
        system = Restorer(Script(*labels), {"noise": expert, "blur": expert}, max_steps=len(labels))
        results.append(system(picture, strength=strength))
        monkeypatch.setattr(scratch, "MOST_BYTES", 1000 if len(results) == 2 else scratch.MOST_BYTES)
    for result in results:
        np.testing.assert_array_equal(result.image, results[0].image)
        assert result.experts == tuple(label for label in labels if label != "clean")
    assert (results[0].image != picture).any()

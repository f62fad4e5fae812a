"""Graphs of networks: the same answer without darnet, at any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import darnet
from darnet.engines.graphs import ENCODE, MULTIPLE_OF, graphs, write
from darnet.engines.pytorch import TorchBackend
from darnet.errors import UsageError, WeightsError
from darnet.images.tiles import grid_crops
from darnet.models import cards
from darnet.models.base import Context, Model, Output
from darnet.models.classifier import DegradationClassifier
from darnet.models.compact import CompactUNet
from darnet.models.daair import DaAIR
from darnet.models.deconvolution import DeconvolutionUNet
from darnet.models.slerir import SLERIR
from darnet.models.unet import UNet
from darnet.restore.experts.base import Checked, Tiles
from darnet.restore.experts.foreign import load_onnx
from darnet.restore.experts.network import NetworkExpert
from darnet.testing import check_expert, wake

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
    pytest.mark.timeout(900),  # to trace many layers takes long on a busy machine, whatever their size
]

#: Of pixels in [0, 1]: rounding of float32, through all layers; a level of 8 bits is forty times as much.
TOLERANCE = 1e-4
WEIGHTS = Path(darnet.__file__).parent / "weights"
PARTS = sorted(path.parent.relative_to(WEIGHTS).as_posix() for path in WEIGHTS.glob("*/*/card.json"))
#: Those that run always; an export takes seconds.
QUICK = ("darnet/motion",)

#: The box of a whole picture.
WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
#: As small as there are: what takes time is how many layers there are, not how large they are.
SMALL = {"width": 4, "blocks": [1] * 8, "heads": [1] * 4, "expansion": 0, "lean": True}
FUSED = {"degradation": {"width": 4}, "content": {"width": 2}, "fusion": 4, "guided": ["latent"]}
TINY = {
    "compact-unet": lambda: CompactUNet(4, (1, 1)),
    "compact-unet, thumbnail": lambda: CompactUNet(4, (1, 1), thumbnail_px=8),
    "unet": lambda: UNet(4, 2),
    "deconvolution-unet": lambda: DeconvolutionUNet(4, (1, 1), spectrum_width=4),
    "daair": lambda: DaAIR(["noise", "rain"], rank_divisor=2, kernel=3, **SMALL),
    "slerir": lambda: SLERIR(2, dimension=8, crop_px=16, positions=True, **FUSED, **SMALL),
}


def tiny(name: str) -> Model:
    torch.manual_seed(0)
    model = TINY[name]().eval()
    wake(model, std=0.2 if name == "slerir" else 0.1)
    if isinstance(model, DaAIR):
        for block in model._blocks().values():
            torch.nn.init.normal_(block.learner.route.weight, std=30.0)  # so that pictures go different ways
    if isinstance(model, SLERIR):
        torch.nn.init.constant_(model.fusion.nearness, 5.0)  # so that it shows where a tile lies
        torch.nn.init.normal_(model.net.stages[3].guidance.project.weight, std=3)
    return model


def written(model: Model, folder: Path) -> Path:
    """A network as its graphs: the path of that of a tile."""
    made = graphs(model)
    folder.mkdir(exist_ok=True)
    if made.encode is not None:
        write(made.encode, folder / "encode.onnx")
        made.tile.metadata_props[ENCODE] = "encode.onnx"
    write(made.tile, folder / "tile.onnx")
    return folder / "tile.onnx"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The graph of a tile of a tiny network, written once: that takes seconds."""
    folder = tmp_path_factory.mktemp("graphs")
    return cache(lambda name: written(tiny(name), folder / name))


@pytest.fixture(autouse=True)
def symbols(unchecked: None) -> None:
    """Sizes of a graph are symbols while it is traced, and no integers as annotations say."""


def photo_like(height: int, width: int) -> Tensor:
    """Areas and edges with some grain: spectra and means are those of a picture, not of noise."""
    rng = torch.Generator().manual_seed(7)
    coarse = F.interpolate(torch.rand(1, 3, 5, 6, generator=rng), (height, width), mode="nearest")[0]
    slopes = torch.linspace(0.6, 1, height)[:, None] * torch.linspace(1, 0.7, width)
    return (coarse * slopes + 0.02 * torch.randn(3, height, width, generator=rng)).clamp(0, 1)


def pictures() -> list[Tensor]:
    rng = torch.Generator().manual_seed(3)
    return [torch.rand(3, 37, 51, generator=rng), photo_like(100, 86), torch.rand(3, 5, 3, generator=rng)]


class Unmeasured(TorchBackend):
    """Layers measure over each tile, as they do in a graph."""

    def measure(self, sample: Tensor, context: Context) -> Context:
        return context


def check_same(model: Model, path: Path) -> None:
    """Read back by darnet, a file answers as the network: whole pictures and tiles, whose context is the whole's."""
    backend = Unmeasured(model, "cpu")
    for tiles in (Tiles(0), Tiles(64, 32)):
        network, graph = NetworkExpert(backend, tiles), load_onnx(path, "cpu", tiles)
        for picture in pictures():
            wanted = network(picture)
            torch.testing.assert_close(graph(picture), wanted, atol=TOLERANCE, rtol=0)
            assert float((wanted - picture).abs().max()) > 10 * TOLERANCE


@pytest.mark.parametrize("name", TINY)
def test_a_graph_is_an_expert_that_answers_as_its_network(tiles: Callable[[str], Path], name: str) -> None:
    path, model = tiles(name), tiny(name)
    assert {path.name for path in path.parent.iterdir()} == {"tile.onnx", *(["encode.onnx"] if model.views else [])}
    check_same(model, path)
    if name == "compact-unet, thumbnail":
        check_expert(Checked("net", load_onnx(path)))


@pytest.mark.parametrize(
    "part", [part if part in QUICK else pytest.param(part, marks=pytest.mark.slow) for part in PARTS]
)
def test_what_ships_can_be_a_graph(tmp_path: Path, part: str) -> None:
    model = cards.load(WEIGHTS / part)[0].eval()
    path = written(model, tmp_path)
    if isinstance(model, DegradationClassifier):
        check_same_verdict(model, path, crop_px=128)
    else:
        check_same(model, path)


def ask(path: Path, **given: Tensor) -> dict[str, Tensor]:
    """A graph, by the runtime alone."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answers = session.run(None, {name: value.numpy() for name, value in given.items()})
    return {output.name: torch.from_numpy(array) for output, array in zip(session.get_outputs(), answers, strict=True)}


def encode(path: Path, picture: Tensor) -> dict[str, Tensor]:
    """What the graph beside that of a tile makes of a whole picture, as the documentation says how."""
    metadata = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    return ask(path.parent / metadata[ENCODE], picture=picture)


def check_same_verdict(model: DegradationClassifier, path: Path, crop_px: int) -> None:
    for picture in (photo_like(300, 260), torch.rand(3, 30, 41)):
        crops = grid_crops(picture, size_px=crop_px, grid=4, align_px=16)
        with torch.inference_mode():
            output = model(crops, model.look(picture[None]).expand(len(crops)))
            verdict = torch.cat([model.verdict(output, len(crops)), model.verdict(output, 1)])
        wanted = {"verdict": verdict, "logits": output.routings[0].logits, "levels": output.severities}
        answers = ask(path, degraded=crops, **encode(path, picture[None]))
        torch.testing.assert_close(answers, wanted, atol=1e-3, rtol=1e-4)
        assert len(answers["verdict"]) == 1 + len(crops)


def test_a_router_is_a_graph_of_crops(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DegradationClassifier(["clean", "noise", "rain"], 4, thumbnail_px=16, blocks=1).eval()
    wake(model, std=0.3)
    torch.nn.init.normal_(model.weighing)
    path = written(model, tmp_path)
    check_same_verdict(model, path, crop_px=32)
    with pytest.raises(WeightsError, match=r"tile\.onnx: expected one input and one output"):
        load_onnx(path)


def test_experts_inside_are_routed_in_a_graph(tiles: Callable[[str], Path]) -> None:
    """Pictures that are sent different ways: all experts are in the graph, and it chooses itself."""
    model, expert, ways = tiny("daair"), load_onnx(tiles("daair")), set()
    for picture in torch.rand(8, 3, 16, 32) * torch.rand(8, 3, 1, 1):
        with torch.inference_mode():
            output = model(picture[None])
        ways.add(tuple(int(routing.logits.argmax()) for routing in output.routings))
        torch.testing.assert_close(expert(picture), output.image[0].clamp(0, 1), atol=TOLERANCE, rtol=0)
    assert len(ways) > 1


@pytest.mark.slow
def test_a_path_through_experts_is_a_graph_of_its_own(tmp_path: Path) -> None:
    """What the network answers where its routing picks that path; tiles of two sizes, one glance."""
    model = tiny("slerir")
    picture = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        knows = model.look(picture)
        path = [int(routing.logits.argmax()) for routing in model(picture, knows).routings]
    assert len(set(path)) > 1
    tile_graph = written(model.along(path), tmp_path)
    for tile, box in (
        (picture, WHOLE),
        (picture[..., 16:48, :80].contiguous(), torch.tensor([[0.25, 0, 0.75, 5 / 6]])),
    ):
        with torch.inference_mode():
            wanted = model(tile, knows, box).image.clamp(0, 1)
        found = ask(tile_graph, degraded=tile, **knows.encoded, box=box)["restored"]
        torch.testing.assert_close(found, wanted, atol=TOLERANCE, rtol=0)
        assert float((wanted - tile).abs().mean()) > 0.01
    nothing = {name: torch.zeros_like(value) for name, value in knows.encoded.items()}
    here, elsewhere = (
        ask(tile_graph, degraded=picture, **seen, box=WHOLE)["restored"] for seen in (knows.encoded, nothing)
    )
    assert float((elsewhere - here).abs().max()) > 1e-3


def test_a_tile_is_repaired_by_where_it_lies(tiles: Callable[[str], Path]) -> None:
    model, path, picture = tiny("slerir"), tiles("slerir"), photo_like(64, 96)[None]
    tile = picture[..., :32, 48:80].contiguous()
    here, elsewhere = torch.tensor([[0, 0.5, 0.5, 5 / 6]]), torch.tensor([[0.5, 0, 1, 1 / 3]])
    with torch.inference_mode():
        knows = model.look(picture)
        wanted = model(tile, knows, here).image.clamp(0, 1)
    found, moved = (ask(path, degraded=tile, **knows.encoded, box=box)["restored"] for box in (here, elsewhere))
    torch.testing.assert_close(found, wanted, atol=TOLERANCE, rtol=0)
    assert float((moved - wanted).abs().max()) > 1e-3


class Shaded(Model):
    """Darker to the right of the picture, which it does not look at."""

    placed, overlap_px = True, 24

    def encode(self, views: Tensor) -> Context:
        return Context({"views": views})

    def forward(self, degraded: Tensor, context: Context | None = None, box: Tensor | None = None) -> Output:
        share = torch.ones_like(degraded) if box is None else 1 - box[:, None, None, 1:2]
        return Output(degraded * share)


def test_a_graph_may_ask_for_the_box_alone_and_says_what_tiles_share(tmp_path: Path) -> None:
    tiles = Tiles(64, 8)
    expert, picture = load_onnx(written(Shaded(), tmp_path), "cpu", tiles), torch.ones(3, 40, 130)
    assert expert.tiles == tiles.sharing(24)
    torch.testing.assert_close(expert(picture), NetworkExpert(TorchBackend(Shaded(), "cpu"), tiles)(picture))
    assert float(expert(picture)[:, :, -1].max()) < 0.6


@pytest.mark.parametrize("name", ["compact-unet, thumbnail", "slerir", "deconvolution-unet"])
def test_the_look_at_a_picture_is_a_graph_for_any_size(tiles: Callable[[str], Path], name: str) -> None:
    """Pictures smaller than a window, of less than one pixel a cell, and of one pixel."""
    model, path = tiny(name), tiles(name)
    for height, width in ((1, 1), (5, 70), (64, 64), (95, 96), (200, 131)):
        picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
        with torch.inference_mode():
            wanted = dict(model.look(picture).encoded)
        torch.testing.assert_close(encode(path, picture), wanted, atol=1e-3, rtol=1e-3)


def test_metadata_that_cannot_be_read_names_the_file(tmp_path: Path, tiles: Callable[[str], Path]) -> None:
    for key, value, reason in (
        (MULTIPLE_OF, "many", "cannot be read"),
        (MULTIPLE_OF, "0", "is 0"),
        (ENCODE, "../encode.onnx", "does not lie beside it"),
        (ENCODE, "encode.onnx", "does not lie beside it"),
    ):
        graph = onnx.load(tiles("compact-unet"))
        onnx.helper.set_model_props(graph, {key: value})
        onnx.save(graph, tmp_path / "odd.onnx")
        with pytest.raises(WeightsError, match=rf"odd\.onnx.*{reason}"):
            load_onnx(tmp_path / "odd.onnx")
    (tmp_path / "encode.onnx").write_text("hello")
    with pytest.raises(WeightsError, match=r"encode\.onnx: no ONNX graph"):
        load_onnx(tmp_path / "odd.onnx")


class Silent(Model):
    """Neither an image nor a name."""

    def encode(self, views: Tensor) -> Context:
        return Context({"views": views})

    def forward(self, degraded: Tensor, context: Context | None = None, box: Tensor | None = None) -> Output:
        return Output()


def test_what_answers_nothing_cannot_be_a_graph() -> None:
    with pytest.raises(UsageError, match="makes no image"):
        graphs(Silent())

"""Put a trained network into the package, with all that its card should say.

python scripts/ship.py RUN          one network: src/darnet/weights/<system>/<recipe name>
python scripts/ship.py --scores     write the figures of benchmarks/ into the cards
python scripts/ship.py --graphs     write the graph of every part beside its weights
python scripts/ship.py --int8       write the graphs in 8 bits beside those, their ranges chosen on the router's memory
python scripts/ship.py --memory     measure what tiles of the experts take, and write it into the cards
python scripts/ship.py --losses F   what precisions lose, from reports of `darnet bench KIND --model darnet:oracle
                                    --model darnet:oracle%openvino-bf16`, into the cards; a graph in 8 bits that
                                    loses too much goes
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from darnet.benchmark import suites
from darnet.benchmark.footprint import tile_memory
from darnet.benchmark.methods import split
from darnet.benchmark.suite import AnyDocument
from darnet.data.memory import load_memory
from darnet.engines.choosing import MOST_LOST_DB, backends
from darnet.engines.devices import INT8, Precision
from darnet.engines.graphs import GRAPH, WEIGHTS, graphs, refer, write
from darnet.engines.probing import Part, probe
from darnet.engines.pytorch import TORCH
from darnet.engines.quantisation import QUANTISED, quantised
from darnet.errors import DarnetError
from darnet.models import cards
from darnet.models.cards import Card
from darnet.systems import manifest
from darnet.systems.listing import ROUTER
from darnet.training.launch import MEMORY
from darnet.training.recipe import parse_recipe

#: Networks that are whole systems by themselves, but for the router; all others are parts of darnet.
SYSTEMS = {"daair-small": "daair", "slerir-small": "slerir"}
BENCHMARKS = Path("benchmarks")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
CALIBRATING = 64
PHOTOS = {
    "BSDS500 train and test (322 photos that share no scene with CBSD68 or Rain100L)": "Berkeley, research use",
    "190 photographs, long side 1024": "wallpaper collections, CC0 / CC BY / CC BY-SA / Unsplash / Pexels",
    "28 means of 500 shots (PolyU)": "research use",
    "Sun-Hays80 high-resolution scenes (60 photos)": "asks for citation",
}
OBJECTS = {"ImageNet photos of object classes (107 photos, short side 200)": "research use"}
#: Photos of at least this size leave the objects out.
OBJECTS_PX = 200
PAIRS = {
    "noise": {"real camera noise of PolyU and RENOIR (68 pairs)": "research use"},
    "lowlight": {
        "LOL-v1 our485, one pair a scene (60 pairs), and PFRN (63 pairs)": "terms not stated",
        "SICE part 1, under-exposed (as packed in Zero-DCE_extension)": "CC BY-NC 4.0",
    },
    "overexposure": {"SICE part 1, over-exposed (as packed in Zero-DCE_extension)": "CC BY-NC 4.0"},
}
DEPTH = {
    "NYU depth v2 through RESIDE (30 photos with depth)": "terms not stated",
    "Middlebury stereo 2003 and 2005 (8 photos with depth)": "asks for citation",
}
KERNELS = {
    "20 camera-shake kernels (12 of 25×25, 8 of Levin et al. 2009), 48 of recorded shakes (Köhler et al.)": (
        "published with deblurring papers"
    )
}
WEAKNESSES = {
    "router": (
        "Learnt from the way of a photo, made pictures that are no photos, and real pairs of noise, low light and "
        "exposure. It would rather leave a damaged photo alone than touch a clean one. Real haze beside parts that "
        "are bright and crisp, and dark photos with a bright place in them, are often called clean; so are mild "
        "damage, noise in a small part of a picture, and JPEG blocks that were cropped or resized afterwards. "
        "Severities of several kinds at once are rough."
    ),
    "noise": (
        "Trained on all sorts of noise up to σ 52, kept as JPEG or not, and on 68 real pairs. White noise in a "
        "lossless file is removed 0.3 dB less well than by an expert for nothing else; faint texture goes with it."
    ),
    "blur": (
        "Gaussian blur and disks, one for the whole picture: blur that differs from place to place (depth of field) is "
        "repaired as if it did not, motion blur is not its kind, and JPEG compression after the blur takes much of the "
        "gain away."
    ),
    "overexposure": (
        "What was clipped to white in all channels is invented at best; an intentionally bright picture that is sent "
        "here comes out darker. The real series that it learnt from are of one collection."
    ),
    "haze": (
        "Trained on smooth synthetic depth and on 38 photos with measured depth: thick real haze is thinned, not "
        "removed, faint bands may stay in skies, and RESIDE's pure white indoor haze is removed less well than by an "
        "expert for nothing else."
    ),
    "rain": (
        "Trained on synthetic streaks only. Drops on the lens, splashes, and rain so dense that it is a mist stay; "
        "thin bright lines of the scene (wires, grass) may be weakened."
    ),
    "motion": (
        "One kernel for the whole picture: objects that move by themselves, blur that differs from place to place, and "
        "paths longer than about 25 px are repaired less, and ringing may stay beside strong edges. JPEG compression "
        "after the blur takes most of the gain away."
    ),
    "lowlight": (
        "The brightness it aims at is that of the photos it learnt from, colours of very dark pictures are guessed, "
        "bright places beside dark ones may wash out, and a night scene that is meant to be dark comes out bright."
    ),
    "daair-small": (
        "A small network that learnt eight kinds in three hours of one busy CPU core: every kind is repaired less "
        "than by darnet's own expert, and of Gaussian blur, motion blur and JPEG blocks little is removed. Without "
        "a system that tells it the kind its blocks route a picture by themselves, and "
        "where they take it for another kind it comes out worse than it was, by many dB. Told the kind, it still "
        "darkens a few bright pictures with rain. Trained on crops of 64 to 256 px. Smooth parts of hazy and dark "
        "pictures keep a faint grid of 16 px, dark ones come out pale, and some large grains of noise stay."
    ),
    "slerir-small": (
        "It began as the noise expert, and learnt eight kinds in two hours of two CPU cores, the second hour with "
        "three experts at each of eight stages: too short for them. It removes noise and rain, and lights dark "
        "pictures, whose colours come out pale. Haze and overexposure are thinned at best; motion blur is left as it "
        "was, Gaussian blur nearly so, and JPEG pictures come out no better than they were."
    ),
    "jpeg": (
        "JPEG of quality 5 to 88 on and off its grid, saved twice, resized, and some WebP; blocks that were enlarged "
        "much, and video frames, are cleaned only in part."
    ),
}


def ship(run: Path, note: str, hardware: str) -> Card:
    """Copy the model of a finished run and complete its card."""
    model, card = cards.load(run / "model")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = [line["seconds"] for line in lines]
    ends = [now for now, following in pairwise([*seconds, 0.0]) if following < now]  # the clock starts anew on resume
    training = {
        **card.training,
        "command": " ".join(["darnet train", card.name, "--data DIR", *_origin(card)]),
        "hours": round(sum(ends) / 3600, 2),
        "hardware": hardware,
        "state": "finished: the schedule of its recipe ran to its end",
        **({"note": note} if note else {}),
    }
    update = {
        "licence": "Apache-2.0",
        "data": _data(card),
        "training": training,
        "weaknesses": WEAKNESSES[card.name],
    }
    return cards.save(model, card.model_copy(update=update), _place(card))


def _place(card: Card) -> Path:
    return manifest.SHIPPED / SYSTEMS.get(card.name, manifest.DEFAULT) / card.name


def _origin(card: Card) -> list[str]:
    origin = card.training.get("from")
    return [f"--from {origin['name']} (sha256 {origin['sha256'][:12]})"] if origin else []


def _data(card: Card) -> dict[str, str]:
    """What the recipe took, with its terms."""
    recipe = parse_recipe(card.training["recipe"])
    data = {**PHOTOS, **(OBJECTS if recipe.data.smallest_px <= OBJECTS_PX else {})}
    for kind in recipe.paired:
        data |= PAIRS[kind]
    data |= DEPTH if recipe.deep else {}
    return data | (KERNELS if any(spec.files for stage in recipe.stage for spec in stage.degradations) else {})


def write_scores() -> None:
    """Every card gets its own rows of the benchmark, with their protocol."""
    names = ("end-to-end", "router", "3-task", "5-task")
    found = {name: suites.read(BENCHMARKS / f"{name}.json") for name in names}
    for folder in sorted(path.parent for path in manifest.SHIPPED.glob("*/*/card.json")):
        card = cards.read_card(folder)
        update = {"scores": _scores(card.name, found), "weaknesses": WEAKNESSES[card.name]}
        cards.write_card(card.model_copy(update=update), folder)


def write_memory() -> None:
    """Every expert's card gets what its tiles take."""
    for folder in sorted(path.parent for path in manifest.SHIPPED.glob("*/*/card.json")):
        card = cards.read_card(folder)
        if card.name != ROUTER:
            found = {f"{backend} {one}": tile_memory(folder, backend, one) for backend, one in _computing(folder)}
            print(card.name, found)
            cards.write_card(card.model_copy(update={"tile_memory": found}), folder)


def _computing(folder: Path) -> list[tuple[str, Precision]]:
    """Who may compute a part, and in which precisions."""
    return [
        (backend, one)
        for backend in (backends() if (folder / GRAPH).exists() else [TORCH])
        for one in PRECISIONS
        if one == "fp32" or backend == "openvino" or (backend, one) == (TORCH, "bf16")
        if one != INT8 or (folder / QUANTISED).exists()
    ]


def write_graphs() -> None:
    """Every part of darnet's own gets its graph: others measure whole pictures, which no graph of a tile can."""
    for folder in sorted(path.parent for path in (manifest.SHIPPED / manifest.DEFAULT).glob("*/card.json")):
        model, card = cards.load(folder)
        graph = graphs(model).tile
        refer(graph, folder / cards.WEIGHTS, card.sha256)
        write(graph, folder / GRAPH)
        print(folder / GRAPH, (folder / GRAPH).stat().st_size)


def write_int8() -> None:
    """Every expert that has a graph gets one in 8 bits; `write_losses` removes those that lose too much."""
    folder = manifest.SHIPPED / manifest.DEFAULT
    memory = load_memory(folder / ROUTER / MEMORY)
    for path in sorted(path.parent for path in folder.glob(f"*/{GRAPH}") if path.parent.name != ROUTER):
        model, card = cards.load(path)
        damaged = [degraded.float() / 255 for degraded, _ in memory.pairs(path.name).photos[:CALIBRATING]]
        try:
            graph = quantised(model, damaged)
        except DarnetError as error:  # deconvolution computes with complex numbers
            print(path.name, error)
            continue
        graph.metadata_props[WEIGHTS] = card.sha256
        write(graph, path / QUANTISED)
        part = Part(model, path / GRAPH, sha256=card.sha256, quantised=path / QUANTISED)
        if not probe(part, [("openvino", INT8)]).milliseconds:
            print(path.name, "is far off where a picture is not as those it was made with")
            (path / QUANTISED).unlink()


def write_losses(reports: Sequence[Path]) -> None:
    """Every expert's card gets the most that a precision loses on a test set of its kind, and no less than nothing."""
    for report in reports:
        found = suites.read(report).part.rows
        folder = manifest.SHIPPED / manifest.DEFAULT / found[0].kind
        exact = {row.place: row.psnr for row in found if not split(row.method)[1]}
        lost: dict[str, list[float]] = {}
        for row in found:
            who = " ".join(split(row.method)[1].split("-"))
            if who and row.psnr is not None and exact[row.place] is not None:
                lost.setdefault(who, []).append(exact[row.place] - row.psnr)
        losses = {who: round(max(0.0, *worst), 3) for who, worst in lost.items()}
        print(folder.name, losses)
        if min((loss for who, loss in losses.items() if who.endswith(INT8)), default=0.0) > MOST_LOST_DB:
            (folder / QUANTISED).unlink()
        card = cards.read_card(folder)
        cards.write_card(card.model_copy(update={"losses": {**card.losses, **losses}}), folder)


def _scores(name: str, found: dict[str, AnyDocument]) -> dict[str, dict[str, Any]]:
    """What the network does by itself: an expert that is told the kind, a router on every picture."""
    if name == ROUTER:
        return {"CBSD68 and McMaster": {**asdict(found[name].found.router[manifest.DEFAULT]), **_how(found[name])}}
    if name in SYSTEMS:
        measured, asked = ("3-task", "5-task"), [f"{SYSTEMS[name]}:oracle"]
    else:
        measured, asked = ("end-to-end",), [f"{manifest.DEFAULT}:oracle"]
    return {
        row.set if row.level is None else f"{row.set} {row.level:g}": {
            **{figure: getattr(row, figure) for figure in ("psnr", "psnr_interval", "ssim", "n")},
            **_how(found[suite]),
        }
        for suite in measured
        for row in found[suite].part.rows
        if row.method in asked and (name in SYSTEMS or row.kind == name)
    }


def _how(document: AnyDocument) -> dict[str, Any]:
    return {"protocol": str(document.part.protocol), "commit": document.commit, "machine": dict(document.machine)}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--note", default="", help="what else a reader of the card should know of its training")
    parser.add_argument("--hardware", default="2 CPU cores (AVX-512, bf16), shared with other work")
    parser.add_argument("--scores", action="store_true")
    parser.add_argument("--graphs", action="store_true")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--losses", type=Path, nargs="+", default=(), metavar="REPORT")
    options = parser.parse_args()
    if options.run is not None:
        card = ship(options.run, options.note, options.hardware)
        print(f"{card.name}: {card.parameters} parameters, sha256 {card.sha256[:12]}")
    if options.scores:
        write_scores()
    if options.graphs:
        write_graphs()
    if options.int8:
        write_int8()
    if options.memory:
        write_memory()
    write_losses(options.losses)


if __name__ == "__main__":
    main()

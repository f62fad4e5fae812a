"""Before training begins: build the network of a recipe, and find what could only fail later.

Shapes: those of `darnet.models.base`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import torch

from darnet.errors import MissingPackageError, RecipeError, UnknownNameError, UsageError, is_out_of_memory, one_line
from darnet.models.abilities import Adopting, Calibrated, Classifier, FeatureExtractor, Gated
from darnet.models.base import Model
from darnet.models.creation import create_model, described
from darnet.registry import CLEAN
from darnet.training.losses import LOSSES
from darnet.training.recipe import Recipe, Stage


def build_model(recipe: Recipe, start: Model | None = None) -> Model:
    """The network of a recipe, its first weights drawn from the seed, or taken over from another network.

    Raises RecipeError for a wrong config, crops that the network does not take, or where the other one is of another
    shape.
    """
    with torch.random.fork_rng():  # torch's initialisers know only the global generator
        torch.default_generator.manual_seed(recipe.seed)
        try:
            model = create_model(recipe.model.kind, **recipe.model.config)
        except MissingPackageError:
            raise
        except UsageError as error:
            raise RecipeError(f"model.config: {error}") from error
    _try(recipe, model)
    if start is not None:
        try:
            adopt(model, start)
        except (RuntimeError, ValueError) as error:
            reason = f"cannot start from these weights: {one_line(error)}"
            raise RecipeError(f"model {recipe.model.kind!r} {reason}") from error
    return model


def _try(recipe: Recipe, model: Model) -> None:
    """Show the network one of the smallest crops of the recipe. Raises RecipeError where it fails.

    Not every config that makes a network makes one that works.
    """
    for stage in recipe.stage:
        if stage.crop_px % model.multiple_of:
            raise RecipeError(f"stage {stage.name!r}: crop_px {stage.crop_px} is no multiple of {model.multiple_of}")
    side = min(stage.crop_px for stage in recipe.stage)
    crop = torch.zeros(1, 3, side, side)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(crop, model.look(crop))
    except Exception as error:  # whatever torch makes of its values
        if is_out_of_memory(error):
            raise
        network = described(recipe.model.kind, recipe.model.config)
        reason = one_line(error)
        raise RecipeError(f"model.config: {network} fails on crops of {side} px: {reason}") from error
    model.train(was_training)


def adopt(model: Model, other: Model) -> None:
    """Begin with the weights of another network. Raises RuntimeError or ValueError where its shape does not fit."""
    if isinstance(model, Adopting):
        model.adopt(other)
    else:
        model.load_state_dict(other.state_dict())


def check(
    recipe: Recipe,
    model: Model,
    kinds: Sequence[str],
    start: Model | None = None,
    remembered: Sequence[str] = (),
) -> None:
    """Raise RecipeError for what could only fail, or do nothing, once training has begun."""
    if recipe.memory is not None and not isinstance(model, FeatureExtractor):
        raise RecipeError(f"memory: {recipe.model.kind!r} is no router, it has nothing to remember")
    if recipe.data.calibration_pictures and not isinstance(model, Calibrated):
        raise RecipeError(f"data.calibration_pictures: {recipe.model.kind!r} is no router, it has no verdict to fit")
    for stage in recipe.stage:
        _check_network(stage, model)
        _check_kinds(stage, kinds, start, remembered)
        if stage.hold:
            _check_held(stage, model, start)


def check_shares(stage: Stage, processes: int) -> None:
    """Raise RecipeError where processes cannot share a batch alike: it would be another, and so would the network.

    >>> from darnet.training.recipe import find_recipe, load_recipe
    >>> check_shares(load_recipe(find_recipe("noise")).stage[0], processes=2)
    """
    pictures = stage.batch // stage.crops_per_picture
    if pictures % processes:
        held = f"{pictures} pictures, which {processes} processes cannot share alike"
        raise RecipeError(f"stage {stage.name!r}: `batch={stage.batch}` is {held}")


def _check_network(stage: Stage, model: Model) -> None:
    """What a stage wants of the network."""
    names = [name for name, _ in model.named_parameters()]
    where = f"stage {stage.name!r}"
    for name in stage.losses:
        if name not in LOSSES:
            raise UnknownNameError("loss", name, LOSSES)
    if "presence" in stage.losses and not (isinstance(model, Classifier) and CLEAN in model.kinds):
        raise RecipeError(f"{where}: loss 'presence' needs a router, one of whose kinds is {CLEAN!r}")
    gates = model.gates if isinstance(model, Gated) else ()
    if stage.gate is not None and stage.gate not in gates:
        known = f"gates: {', '.join(gates)}" if gates else "no gates"
        raise RecipeError(f"{where}: gate {stage.gate!r}, and {type(model).__name__} has {known}")
    for pattern in stage.freeze:
        if not fnmatch.filter(names, pattern):
            raise RecipeError(f"{where}: freeze {pattern!r} matches no parameter")


def _check_kinds(stage: Stage, kinds: Sequence[str], start: Model | None, remembered: Sequence[str]) -> None:
    """What a stage wants to show, and whom it asks."""
    where = f"stage {stage.name!r}"
    if "distillation" in stage.losses and (start is None or tuple(kinds[: len(start.kinds)]) != tuple(start.kinds)):
        raise RecipeError(f"{where}: distillation needs a teacher (`weights`) whose kinds come first, in its order")
    if stage.replay and not remembered:
        raise RecipeError(f"{where}: replay, and the weights it begins with remember nothing")
    for kind in (*(remembered if stage.replay else ()), *stage.kinds):
        if kind not in kinds:
            raise RecipeError(f"{where}: the model knows no kind {kind!r} (it knows: {', '.join(kinds)})")


def _check_held(stage: Stage, model: Model, start: Model | None) -> None:
    """What is put back must have been alone: only weights that have grown may learn."""
    where = f"stage {stage.name!r}"
    if start is None:
        raise RecipeError(f"{where}: hold needs weights to begin with (`weights`)")
    old = dict(start.named_parameters())
    for name, weight in model.named_parameters():
        if not stage.freezes(name) and weight.shape == old[name].shape:
            raise RecipeError(f"{where}: hold puts {name!r} back, which learns: freeze it, or set hold = false")

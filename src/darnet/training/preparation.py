"""Before training begins: build the network of a recipe, and find what could only fail later.

Shapes: those of `darnet.models.base`.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import torch

from darnet import registry
from darnet.errors import RecipeError, UnknownNameError
from darnet.models.base import Model
from darnet.training.losses import LOSSES
from darnet.training.recipe import Recipe


def build_model(recipe: Recipe, start: Model | None = None) -> Model:
    """The network of a recipe, its first weights drawn from the seed, or taken over from another network.

    Raises RecipeError for a wrong config, or where the other network is of another shape.
    """
    factory = registry.find("model", recipe.model.kind)
    with torch.random.fork_rng():  # torch's initialisers know only the global generator
        torch.default_generator.manual_seed(recipe.seed)
        try:
            model: Model = factory(**recipe.model.config)
        except (TypeError, ValueError) as error:
            raise RecipeError(f"model {recipe.model.kind!r}: {error}") from error
    if start is not None:
        try:
            model.adopt(start)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RecipeError(f"model {recipe.model.kind!r} cannot start from these weights: {reason}") from error
    return model


def check(recipe: Recipe, model: Model, kinds: Sequence[str]) -> None:
    """Raise RecipeError for what could only fail, or do nothing, once training has begun."""
    names = [name for name, _ in model.named_parameters()]
    for stage in recipe.stage:
        where = f"stage {stage.name!r}"
        for name in stage.losses:
            if name not in LOSSES:
                raise UnknownNameError("loss", name, LOSSES)
        if stage.crop_px % model.multiple_of:
            raise RecipeError(f"{where}: crop_px {stage.crop_px} is no multiple of {model.multiple_of}")
        for pattern in stage.freeze:
            if not fnmatch.filter(names, pattern):
                raise RecipeError(f"{where}: freeze {pattern!r} matches no parameter")
        for spec in stage.degradations:
            if spec.kind not in kinds:
                raise RecipeError(f"{where}: the model knows no kind {spec.kind!r} (it knows: {', '.join(kinds)})")

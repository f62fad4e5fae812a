"""What a run trains, and on what: all that its stages share. Nothing here changes but the weights.

Shapes: see `darnet.data.batch.Batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Generator

from darnet.data.augmentation import Augmentation
from darnet.data.batch import Batch
from darnet.data.material import Material
from darnet.data.scenes import Scenes
from darnet.data.storage import Storage
from darnet.data.synthesis import Synthesis
from darnet.errors import RecipeError
from darnet.models.base import Model, channels_last
from darnet.training.preparation import build_model, check, check_shares
from darnet.training.recipe import Recipe, Stage

#: Validation batches are the same in every epoch of a stage; no training step has this number.
VALIDATION_STEP = 2**31
VALIDATION_BATCH = 64
#: As many crops as a router looks at in a large picture.
CALIBRATION_CROPS = 16
#: Side of the scenes that they are cut from, at least: crops of a smaller one are nearly the same.
CALIBRATION_SCENE_PX = 384


@dataclass(frozen=True)
class Learner:
    """A network, whom it asks (`teacher`), its `kinds` in the order of labels, and its pictures, on a device.

    `muon_dtype`: what Muon orthogonalises in.
    """

    recipe: Recipe
    fabric: Fabric
    model: Model
    teacher: Model | None
    kinds: Sequence[str]
    training: Material
    validation: Material
    pictures: int  # of all the material
    muon_dtype: torch.dtype = torch.float32

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        material: Material,
        fabric: Fabric,
        start: Model | None = None,
        muon_dtype: torch.dtype = torch.float32,
    ) -> Learner:
        """The network of `recipe`, from the weights of `start` if given, and `material` in its parts.

        Raises RecipeError for what cannot be trained.
        """
        data = recipe.data
        shares = [1 - data.validation - data.test, data.validation]
        parts = [
            part.with_halves(data.halve_above_px).with_scales(data.scales, data.smallest_px)
            for part in material.split(shares, recipe.seed)
        ]
        if not all(part.complete for part in parts) or set(parts[0].memory.kinds) != set(material.memory.kinds):
            raise RecipeError(f"{material.pictures} pictures are too few to train and validate on")
        training, validation = (part.on(fabric.device) for part in parts)
        model = channels_last(build_model(recipe, start).to(fabric.device))
        teacher = None if start is None else start.to(fabric.device).eval()
        kinds = model.kinds or recipe.kinds
        check(recipe, model, kinds, start, material.memory.kinds)
        for stage in recipe.stage:
            check_shares(stage, fabric.world_size)
        return cls(recipe, fabric, model, teacher, kinds, training, validation, material.pictures, muon_dtype)

    @property
    def known(self) -> Sequence[str]:
        """The kinds that it knew before."""
        return () if self.teacher is None else self.teacher.kinds

    def synthesis(self, stage: Stage, material: Material, *, augment: bool) -> Synthesis:
        """How batches of a stage are made."""
        sources = [spec.build(material, self.kinds) for spec in stage.degradations]
        shares = [spec.share for spec in stage.degradations]
        if stage.replay:
            earlier = list(material.replay.values())
            share = stage.replay / (1 - stage.replay) * sum(shares) / len(earlier)
            sources, shares = [*sources, *earlier], [*shares, *[share] * len(earlier)]
        return Synthesis(
            photos=material.photos,
            sources=sources,
            shares=shares,
            kinds=self.kinds,
            crop_px=stage.crop_px,
            views=self.model.views,
            scene_px=stage.scene_px,
            rounding=stage.rounding,
            augment=augment,
            augmentation=Augmentation(stage.varied_share if augment else 0.0, stage.crop_px),
            grey=stage.grey_share,
            storage=Storage(stage.jpeg_share, stage.jpeg_quality),
            crops_per_picture=stage.crops_per_picture,
            align_px=stage.align_px,
            small_share=stage.small_share,
            scenes=Scenes(
                material.photos,
                stage.scene_px or stage.crop_px,
                material.deep,
                material.graphics,
                stage.depth_share,
                stage.graphics_share,
                stage.grey_share,
            ),
        )

    def calibration_batch(self, number: int) -> Batch:
        """Pictures of the last stage that a verdict is fitted to, in as many crops as a router looks at."""
        last = self.recipe.stage[-1]
        scene_px = max(CALIBRATION_SCENE_PX, last.scene_px) if last.scene_px else None
        last = last.model_copy(update={"crops_per_picture": CALIBRATION_CROPS, "scene_px": scene_px})
        synthesis = self.synthesis(last, self.validation, augment=False)
        return synthesis(VALIDATION_BATCH, self.generator(len(self.recipe.stage), VALIDATION_STEP + number))

    def generator(self, stage: int, step: int) -> Generator:
        """The source of all chance in one step of one stage on one process."""
        entropy = [self.recipe.seed, stage, step, self.fabric.global_rank]
        seed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
        return Generator().manual_seed(int(seed >> np.uint64(2)))

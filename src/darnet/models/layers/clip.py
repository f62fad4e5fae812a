"""CLIP's image tower as an encoder (SLER-IR §3.2 has two: content, and degradation as DA-CLIP learns it), by open_clip.

Needs `darnet[clip]`. Weights are the reader's own: darnet downloads none.

Shapes: B batch, F features, P × Q patches, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darnet.errors import WeightsError, one_line
from darnet.models.layers.encoders import Encoder
from darnet.registry import optional

#: Of the colours that CLIP was trained on (Radford et al. 2021).
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ClipEncoder(Encoder):
    """A vision transformer: its CLS token before the projection, and its patch tokens, resampled to the wanted patches.

    Pictures are resized to what the tower was made for, whatever their aspect: a crop is enlarged, a tile shrinks.

    Args:
        patch_px: Side of the patches that are wanted.
        model: Name of a model of open_clip's, such as `ViT-B-32`.
        checkpoint: Its weights, in safetensors or what torch loads as weights only. None: weights of chance. A network
            that is loaded from a card has its weights from there; then nobody asks for this file.
        prefix: Of the tower's weights in the checkpoint. One that holds two towers has a prefix for each.

    Raises ValueError for a model that is unknown or has no patch tokens, WeightsError for a checkpoint that is not its.
    """

    def __init__(
        self, patch_px: int, model: str = "ViT-B-32", checkpoint: str | None = None, prefix: str = "visual."
    ) -> None:
        super().__init__()
        settings = optional("open_clip", "clip").get_model_config(model)
        if settings is None:
            raise ValueError(f"open_clip has no model {model!r}")
        vision = {**settings["vision_cfg"], "output_tokens": True}
        if not isinstance(vision.get("layers"), int):
            raise ValueError(f"model {model!r} is no plain vision transformer: it has no patch tokens")
        # As open_clip builds it, but without the text tower, which is larger.
        self.tower: nn.Module = optional("open_clip.model", "clip")._build_vision_tower(
            settings["embed_dim"], vision, quick_gelu=settings.get("quick_gelu", False)
        )
        self.tower.proj = None
        self.patch_px, self.features, self.side_px = patch_px, int(vision["width"]), int(vision["image_size"])
        if checkpoint is not None and not next(self.tower.parameters()).is_meta:
            self._load(Path(checkpoint), prefix)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B F"], Float[Tensor, "B F P Q"]]:
        """Encode."""
        side, wanted = self.side_px, [max(1, extent // self.patch_px) for extent in pictures.shape[2:]]
        resized = F.interpolate(pictures, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
        mean, deviation = (pictures.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
        token, tokens = self.tower((resized - mean) / deviation)
        count = round(tokens.shape[1] ** 0.5)
        patches = tokens.transpose(1, 2).reshape(len(pictures), self.features, count, count)
        return token, F.interpolate(patches, size=wanted, mode="bilinear", align_corners=False)

    def _load(self, path: Path, prefix: str) -> None:
        """Take the tower's weights out of a checkpoint, which may hold more."""
        try:
            weights = optional("open_clip.factory", "clip").load_state_dict(str(path), weights_only=True)
            own = {name: weights[prefix + name] for name in self.tower.state_dict()}
            self.tower.load_state_dict(own)
        except KeyError as error:
            raise WeightsError(path, f"has no {error.args[0]!r}: another model, or another prefix") from error
        except Exception as error:  # readers of foreign files raise what they like, an unpickling error among it
            raise WeightsError(path, f"no weights of this tower: {one_line(error)}") from error

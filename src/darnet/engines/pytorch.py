"""How a network is executed. A backend is a plain function of (pictures, context, box) on some device.

Shapes: B batch, H × W pixels. Pictures are sRGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Final, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from darnet.engines.devices import Precision, exact_float32, pick_device, pick_dtype
from darnet.errors import ResourceError, is_out_of_memory
from darnet.images.regions import RegionSource
from darnet.models.abilities import Measuring
from darnet.models.base import Context, Model, Output, channels_last
from darnet.models.views import by_region

Answer = TypeVar("Answer")

#: What this backend is called: the one that is always there, and knows every network and device.
TORCH: Final = "torch"


class TorchBackend:
    """A network run by torch, in channels_last memory, which is what convolutions are fastest in.

    Raises UsageError for a device this machine lacks, or a precision that `pick_dtype` refuses.
    """

    def __init__(self, model: Model, device: str = "auto", precision: Precision = "auto") -> None:
        self.device = pick_device(device)
        self.dtype = pick_dtype(precision, self.device)
        self.model = channels_last(model.to(self.device))

    def running(self, model: Model) -> TorchBackend:
        """Another network, of weights that are on the device, run alike."""
        backend = copy(self)
        backend.model = model
        return backend

    def __call__(
        self,
        pictures: Float[Tensor, "B 3 H W"],
        context: Context | None = None,
        box: Float[Tensor, "B 4"] | None = None,
        gate: str | None = None,
    ) -> Output:
        """Run the network, by a gate if it has some; the answer is on its device. ResourceError: memory runs out."""
        pictures = pictures.to(self.device, memory_format=torch.channels_last)
        box = None if box is None else box.to(self.device)
        chosen = {} if gate is None else {"gate": gate}
        output: Output = self._run(lambda: self.model(pictures, context, box, **chosen), pictures)
        return output

    def encode(self, pictures: Float[Tensor, "B 3 H W"]) -> Context:
        """What the network wants to know of whole pictures (`Model.look`); only their views go to its device."""
        return Context() if self.model.views is None else self._encode(self.model.views(pictures))

    def look(self, source: RegionSource) -> Context:
        """The same of one picture that is read by region."""
        return Context() if self.model.views is None else self._encode(by_region(self.model.views, source))

    def _encode(self, views: Float[Tensor, "B C S T"]) -> Context:
        views = views.to(self.device)
        return self._run(lambda: self.model.encode(views), views)

    def measure(self, sample: Float[Tensor, "1 3 H W"], context: Context) -> Context:
        """The context with the statistics of a picture, by a sample of it, if layers measure any (`Measuring.measure`).

        Raises as a call does.
        """
        model = self.model
        if not isinstance(model, Measuring):
            return context
        sample = sample.to(self.device, memory_format=torch.channels_last)
        return self._run(lambda: model.measure(sample, context), sample)

    def _run(self, function: Callable[[], Answer], pictures: Float[Tensor, "B C H W"]) -> Answer:
        try:
            with torch.inference_mode(), exact_float32, self._autocast():
                return function()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            size = "×".join(map(str, reversed(pictures.shape[2:])))
            raise ResourceError(f"{self.device}: out of memory on {size} pixels") from error

    def _autocast(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

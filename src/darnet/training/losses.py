"""A loss is a function (output, batch) -> scalar. A recipe names losses and weighs them.

Shapes: B batch, P pictures that B crops are of, E kinds, D of them damage, K layers, H × W pixels. Pictures are sRGB in
[0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from darnet.data.batch import Batch
from darnet.errors import RecipeError
from darnet.images import metrics
from darnet.models.base import Output, by_picture

Scalar = Float[Tensor, ""]
#: By which the answers of teacher and learner are softened.
TEMPERATURE = 2.0
#: λ of SLER-IR eq. 9: by how much pictures with the same damage are to be more alike than others. The paper's was lost.
MARGIN = 0.5
#: How much more an alarm on a picture that has nothing weighs than a kind that is missed: what is repaired for no
#: reason is harmed, what is missed is only left as it was. Where both are as likely, presence is then 1/3, not 1/2.
FALSE_ALARM = 2.0
#: Mean squared error of 40 dB, below which loss `psnr` asks for little more.
ALMOST_PERFECT = 1e-4
Loss = Callable[[Output, Batch], Scalar]


def l1(output: Output, batch: Batch) -> Scalar:
    """Mean absolute error (DaR-Net eq. 1, first term)."""
    return F.l1_loss(_image(output), batch.clean)


def mse(output: Output, batch: Batch) -> Scalar:
    """Mean squared error: what PSNR measures."""
    return F.mse_loss(_image(output), batch.clean)


def psnr(output: Output, batch: Batch) -> Scalar:
    """How many dB each picture falls short of 40, the mean over the batch: minus PSNR (NAFNet, Chen et al. 2022, code).

    A decibel counts alike wherever it is gained: a picture that is far too dark does not drown one with little noise.
    """
    error = (_image(output) - batch.clean).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(1 + error / ALMOST_PERFECT).mean()


def charbonnier(output: Output, batch: Batch) -> Scalar:
    """√(e² + ε²), ε = 1e-3: L1 with a smooth minimum (Charbonnier et al. 1994)."""
    return torch.sqrt((_image(output) - batch.clean).square() + 1e-6).mean()


def ssim(output: Output, batch: Batch) -> Scalar:
    """1 − SSIM, 11×11 Gaussian window (DaR-Net eq. 1, second term)."""
    return 1 - metrics.ssim(_image(output), batch.clean).mean()


def frequency(output: Output, batch: Batch) -> Scalar:
    """Mean absolute difference of the 2-D spectra (orthonormal), which weighs fine detail (Cho et al. 2021, eq. 4)."""
    spectrum: Tensor = torch.fft.rfft2(_image(output) - batch.clean, norm="ortho")
    return spectrum.abs().mean()


def classification(output: Output, batch: Batch) -> Scalar:
    """Cross-entropy of logits with the kind.

    The logits are every router's (DaR-Net's classifier; DaAIR §3.1, auxiliary loss), or those of a head that names the
    kind beside routers which do not (L_cls of SLER-IR, Table 3).
    Logits of crops of one picture are averaged first: a verdict begins with their mean (`Calibrated.evidence`).
    """
    answers = [routing.logits for routing in output.routings if routing.embedding is None]
    answers = answers if output.kinds is None else [output.kinds]
    if not answers:
        raise RecipeError("loss 'classification' needs a model that names, or routes by, the kind of damage")
    label = batch.label[:: batch.crops_per_picture]
    return torch.stack([F.cross_entropy(per_picture(logits, batch), label) for logits in answers]).mean()


def presence(output: Output, batch: Batch) -> Scalar:
    """Binary cross-entropy of the presence of each kind, z − z_clean, summed over kinds: several may be there at once.

    Kinds that are too mild to say (NaN) do not count; alarms on pictures with nothing count FALSE_ALARM times. Logits
    of crops of one picture are averaged first, as in `classification`.
    """
    if output.clean is None:
        raise RecipeError("loss 'presence' needs a router, one of whose kinds is 'clean'")
    logits = output.routings[-1].logits
    truth = batch.present(logits.shape[1])
    crops = None if batch.presence is None else by_picture(batch.presence, batch.crops_per_picture)
    weight = torch.where((damage(truth, output.clean) == 1).any(dim=1), 1.0, FALSE_ALARM)
    if crops is None:
        return (weight * presence_entropy(per_picture(logits, batch), truth, output.clean)).mean()
    # Where a kind is in some crops only, each of them answers for itself; else their mean does.
    local = (crops == 1).any(dim=1) & (crops == 0).any(dim=1)
    whole = presence_entropy(per_picture(logits, batch), truth.masked_fill(local, torch.nan), output.clean)
    alone = crops.masked_fill(~local[:, None], torch.nan).flatten(0, 1)
    each = per_picture(presence_entropy(logits, alone, output.clean), batch)
    return (weight * (whole + each)).mean()


def damage(values: Float[Tensor, "P E"], clean: int) -> Float[Tensor, "P D"]:
    """What concerns all kinds but clean."""
    return values[:, [kind for kind in range(values.shape[1]) if kind != clean]]


def presence_entropy(logits: Float[Tensor, "P E"], truth: Float[Tensor, "P E"], clean: int) -> Float[Tensor, " P"]:
    """Binary cross-entropy of what is present (nat), summed over the kinds of damage; NaN is ignored."""
    odds, truth = damage(logits - logits[:, clean, None], clean), damage(truth, clean)
    known = truth.isfinite().float()
    return F.binary_cross_entropy_with_logits(odds, truth.nan_to_num(), known, reduction="none").sum(dim=1)


def level(output: Output, batch: Batch) -> Scalar:
    """Smooth L1 between the logarithms of estimated and true severity, summed over the kinds whose severity is known.

    Without `Batch.severities` that is the one kind of the label, where it has one.
    Its name is the key of recipes and logs, where severity is called `level`.
    """
    if output.severities is None:
        raise RecipeError("loss 'level' needs a model that estimates severities")
    estimated = per_picture(output.severities.clamp_min(1e-6).log(), batch)
    true = batch.known_severities(estimated.shape[1])
    error = (estimated - true.clamp_min(1e-6).log()) * (true > 0)
    return F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1, reduction="none").sum(dim=1).mean()


def distillation(output: Output, batch: Batch) -> Scalar:
    """How far the kinds that the teacher knows moved: Kullback–Leibler divergence of softened answers, times T².

    Hinton, Vinyals, Dean 2015, with T = 2 as in Li and Hoiem, "Learning without forgetting", 2016. 0 without a teacher.
    """
    if not output.routings:
        raise RecipeError("loss 'distillation' needs a model that routes")
    logits = per_picture(output.routings[-1].logits, batch)
    if batch.taught is None:
        return 0 * logits.sum()
    taught = per_picture(batch.taught, batch)
    answers = (values / TEMPERATURE for values in (logits[:, : taught.shape[1]], taught))
    learner, teacher = (values.log_softmax(dim=1) for values in answers)
    return TEMPERATURE**2 * F.kl_div(learner, teacher, reduction="batchmean", log_target=True)


def contrast(output: Output, batch: Batch) -> Scalar:
    """L_HC = max(E_N[S] − E_P[S] + λ, 0), the mean over the layers (SLER-IR §3.3, eq. 8–9).

    S is the cosine between the embeddings of two pictures; P are the pairs with the same kind of damage, N the others.
    Where no kind occurs twice, a picture is its own pair (S = 1); where there is but one kind, there is nothing to say.
    """
    similarity, positive, negative = _pairs(output, batch, "contrast")
    if not bool(negative.any()):
        return 0 * similarity.sum()
    gap = similarity[:, negative].mean(dim=1) - similarity[:, positive].mean(dim=1)
    return (gap + MARGIN).clamp_min(0).mean()


def triplet(output: Output, batch: Batch) -> Scalar:
    """E[max(S_an − S_ap + λ, 0)] over triplets, (a, p) of P and (a, n) of N: `contrast` with the bound on each triplet.

    Never less than `contrast` of classes of one size (Jensen). That one is content once kinds lie apart on average, and
    two that are easy to tell are enough for it.
    """
    similarity, positive, negative = _pairs(output, batch, "triplet")
    chosen = positive[:, :, None] & negative[:, None]  # B B B
    if not bool(chosen.any()):
        return 0 * similarity.sum()
    gap = similarity[:, :, None] - similarity[:, :, :, None]  # K a p n
    return (gap[:, chosen] + MARGIN).clamp_min(0).mean()


def _pairs(
    output: Output, batch: Batch, name: str
) -> tuple[Float[Tensor, "K B B"], Bool[Tensor, "B B"], Bool[Tensor, "B B"]]:
    """(S of eq. 8, P, N) of K layers and B pictures."""
    embeddings = [routing.embedding for routing in output.routings if routing.embedding is not None]
    if not embeddings:
        raise RecipeError(f"loss {name!r} needs a model that embeds what it routes by")
    label = batch.label[:: batch.crops_per_picture]
    chosen = torch.stack(embeddings)[:, :: batch.crops_per_picture]
    alike = label[:, None] == label
    itself = torch.eye(len(label), dtype=torch.bool, device=label.device)
    positive = alike & ~itself
    return chosen @ chosen.mT, positive if bool(positive.any()) else itself, ~alike


LOSSES: Mapping[str, Loss] = {
    loss.__name__: loss
    for loss in (
        *(l1, mse, psnr, charbonnier, ssim, frequency),
        *(classification, presence, level, distillation, contrast, triplet),
    )
}


def per_picture(values: Float[Tensor, "B ..."], batch: Batch) -> Tensor:
    """Means over the crops of each picture: (B, …) -> (B / crops_per_picture, …)."""
    return by_picture(values, batch.crops_per_picture).mean(dim=1)


def _image(output: Output) -> Float[Tensor, "B 3 H W"]:
    if output.image is None:
        raise RecipeError("this loss needs a model that makes an image")
    return output.image

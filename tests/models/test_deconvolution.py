from __future__ import annotations

import torch
from torch.nn import functional as F

from darnet.degradations import GaussianBlur, MotionBlur, named_generator
from darnet.models.deconvolution import WINDOW_PX, DeconvolutionUNet, FilterEstimator, Spectrum, make_filter


def noise(side: int) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_blur_shows_in_the_spectrum_as_the_response_of_its_kernel() -> None:
    """White noise has a flat spectrum, so that of its blurred copy is the squared response, up to leakage."""
    sigma = 1.2
    blurred = GaussianBlur((sigma, sigma))(noise(512)[0], named_generator("spectrum"))[None]
    difference = (Spectrum()(blurred) - Spectrum()(noise(512)))[0, 0] * 5  # undo the scale
    frequency = (torch.arange(WINDOW_PX) - WINDOW_PX // 2) * 2 * torch.pi / WINDOW_PX
    expected = -(sigma**2) * (frequency[:, None].square() + frequency.square())
    low = expected > -4  # above what rounding hides
    torch.testing.assert_close(difference[low], expected[low], atol=0.5, rtol=0)


def test_a_spectrum_is_that_of_the_whole_picture_not_of_its_size() -> None:
    small, large = (Spectrum()(noise(side)) for side in (256, 512))
    torch.testing.assert_close(small.mean(), large.mean(), atol=0.02, rtol=0)
    assert Spectrum()(torch.rand(2, 3, 20, 100)).shape == (2, 2, WINDOW_PX, WINDOW_PX)


def test_a_shaken_path_shows_across_its_direction() -> None:
    """A straight path along one axis weakens the frequencies of that axis."""
    shaken = [MotionBlur((16.0, 16.0), (0.0, 0.0))(noise(256)[0], named_generator(str(i)))[None] for i in range(4)]
    for picture in shaken:
        change = (Spectrum()(picture) - Spectrum()(noise(256)))[0, 0]
        assert float(change.amin()) < -0.5  # some are gone
        assert float(change.amax()) > -0.1  # some are as they were


def test_the_response_1_is_the_filter_that_does_nothing() -> None:
    taps = make_filter(torch.ones(2, WINDOW_PX, WINDOW_PX))
    wanted = torch.zeros(2, WINDOW_PX + 1, WINDOW_PX + 1)
    wanted[:, WINDOW_PX // 2, WINDOW_PX // 2] = 1
    torch.testing.assert_close(taps, wanted, atol=1e-6, rtol=0)


def test_a_smooth_even_response_is_met() -> None:
    frequency = (torch.arange(WINDOW_PX) - WINDOW_PX // 2) * 2 * torch.pi / WINDOW_PX
    wanted = 1 + 0.5 * (2 * frequency).cos()[:, None] * frequency.cos()
    taps = make_filter(wanted[None])
    met = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(taps[:, :-1, :-1], dim=(1, 2))).real, dim=(1, 2))[0]
    torch.testing.assert_close(met, wanted, atol=0.02, rtol=0)
    torch.testing.assert_close(taps, taps.flip((1, 2)), atol=1e-6, rtol=0)  # even: no picture is moved


def test_an_untrained_expert_returns_its_input() -> None:
    picture = torch.rand(1, 3, 96, 64)
    image = DeconvolutionUNet(4, (1, 1), 2)(picture).image
    torch.testing.assert_close(image, picture, atol=1e-5, rtol=0)


def test_tiles_are_filtered_alike() -> None:
    """With the spectrum of the whole picture, a tile comes out as the same place of the whole does."""
    torch.manual_seed(0)
    model = DeconvolutionUNet(4, (1, 1), 2).eval()
    torch.nn.init.normal_(model.estimator.tail.weight, std=0.05)
    picture = torch.rand(1, 3, 256, 256)
    context = model.encode(Spectrum()(picture))
    whole, tile = model(picture, context).image, model(picture[..., :160, :160], context).image
    inner = (..., slice(0, 96), slice(0, 96))
    torch.testing.assert_close(tile[inner], whole[inner], atol=1e-5, rtol=0)
    assert not torch.allclose(model(picture[..., :160, :160]).image[inner], whole[inner], atol=1e-3)


def test_the_estimator_sees_every_frequency() -> None:
    torch.manual_seed(0)
    estimator = FilterEstimator(2)
    torch.nn.init.normal_(estimator.tail.weight)
    spectrum = torch.rand(1, 2, WINDOW_PX, WINDOW_PX, requires_grad=True)
    estimator(spectrum)[0, 0, 0].backward()
    assert spectrum.grad is not None
    seen = F.max_pool2d(spectrum.grad.abs(), 8)
    assert bool((seen > 0).all())


def test_filters_keep_their_precision_where_a_network_runs_in_half() -> None:
    """A product of matrices would be in bfloat16, of which no transform knows anything."""
    model = DeconvolutionUNet(4, (1, 1), spectrum_width=4).eval()
    response = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = make_filter(response)
        assert model(torch.rand(1, 3, 64, 64)).image.isfinite().all()
    torch.testing.assert_close(found, make_filter(response), atol=0, rtol=0)
    assert found.dtype == torch.float32

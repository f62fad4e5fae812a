"""Figures that papers print: DaR-Net's two tables, and the tasks of all-in-one restoration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SIGMAS = (15.0, 25.0, 50.0)
#: Table I of DaR-Net, PSNR and SSIM at σ 15, 25, 50 as it prints them. None: not given.
PAPER_TABLE1: Mapping[str, tuple[tuple[float, float | None], ...]] = {
    "AirNet": ((33.92, 0.933), (31.26, 0.888), (28.00, 0.797)),
    "Restormer": ((31.96, None), (29.51, None), (26.62, None)),
    "PromptIR": ((33.98, 0.933), (31.31, 0.888), (28.06, 0.799)),
    "DaAIR": ((33.92, 0.930), (31.26, 0.884), (28.00, 0.792)),
    "MoCE-IR": ((34.08, 0.933), (31.42, 0.888), (28.16, 0.798)),
    "MEASNet": ((34.12, 0.935), (31.46, 0.892), (28.19, 0.803)),
    "DaR-Net": ((33.55, 0.933), (31.03, 0.890), (27.65, 0.804)),
}
#: What the figures of both tables are means over.
PAPER_SET, PAPER_PICTURES = "CBSD68", 68
#: Which of them belong beside which protocol: DaR-Net's figures fit the grey photos, the others are clipped colour.
PAPER_PROTOCOL: Mapping[str, tuple[str, ...]] = {
    "darnet": ("DaR-Net",),
    "promptir": ("AirNet", "Restormer", "PromptIR", "DaAIR", "MEASNet"),
    "moceir": ("MoCE-IR",),
}
#: Table II of DaR-Net: corrupted, then phases 1 to 3.
PAPER_TABLE2: Mapping[str, tuple[str, ...]] = {
    "noise": ("20.48 / .391", "31.03 / .890", "31.03 / .890", "31.03 / .890"),
    "blur": ("26.07 / .744", "26.07 / .744", "30.20 / .906", "30.20 / .906"),
    "overexposure": ("11.98 / .768", "11.98 / .768", "11.98 / .768", "20.44 / .891"),
}


class Printed(NamedTuple):
    """One row: five columns and the mean, as printed. `params`: millions, or what the paper says of them."""

    method: str
    params: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...] = ()  # none: not at hand


#: Of the tasks: suite -> the paper that prints them -> its rows: Tables 1 and 2 of DaAIR (arXiv 2405.15475) and of
#: SLER-IR. SLER-IR prints no sizes: those are DaAIR's where it has the method, MoCE-IR's own, and an estimate for
#: SLER-IR itself. Where two papers print the same method, the row is that of the first: they differ by a misprint or a
#: training run.
PRINTED: Mapping[str, Mapping[str, tuple[Printed, ...]]] = {
    "3-task": {
        "DaAIR": (
            Printed(
                "BRDNet", "–", (23.23, 27.42, 32.26, 29.76, 26.34, 27.80), (0.895, 0.895, 0.898, 0.836, 0.693, 0.843)
            ),
            Printed(
                "LPNet", "–", (20.84, 24.88, 26.47, 24.77, 21.26, 23.64), (0.828, 0.784, 0.778, 0.748, 0.552, 0.738)
            ),
            Printed(
                "FDGAN", "–", (24.71, 29.89, 30.25, 28.81, 26.43, 28.02), (0.929, 0.933, 0.910, 0.868, 0.776, 0.883)
            ),
            Printed("DL", "2", (26.92, 32.62, 33.05, 30.41, 26.90, 29.98), (0.931, 0.931, 0.914, 0.861, 0.740, 0.876)),
            Printed(
                "MPRNet", "16", (25.28, 33.57, 33.54, 30.89, 27.56, 30.17), (0.955, 0.954, 0.927, 0.880, 0.779, 0.899)
            ),
            Printed(
                "AirNet", "9", (27.94, 34.90, 33.92, 31.26, 28.00, 31.20), (0.962, 0.967, 0.933, 0.888, 0.797, 0.910)
            ),
            Printed(
                "PromptIR", "36", (30.58, 36.37, 33.98, 31.31, 28.06, 32.06), (0.974, 0.972, 0.933, 0.888, 0.799, 0.913)
            ),
            Printed(
                "DaAIR", "6", (32.30, 37.10, 33.92, 31.26, 28.00, 32.51), (0.981, 0.978, 0.930, 0.884, 0.792, 0.913)
            ),
        ),
        "SLER-IR": (
            Printed(
                "Restormer",
                "26",
                (27.78, 33.78, 33.72, 30.67, 27.63, 30.75),
                (0.958, 0.958, 0.865, 0.865, 0.792, 0.901),
            ),
            Printed(
                "IDR", "15", (29.87, 36.03, 33.89, 31.32, 28.04, 31.83), (0.970, 0.971, 0.931, 0.884, 0.798, 0.911)
            ),
            Printed(
                "InstructIR",
                "–",
                (30.22, 37.98, 34.15, 31.52, 28.30, 32.43),
                (0.959, 0.978, 0.933, 0.890, 0.804, 0.913),
            ),
            Printed(
                "VLU-Net", "–", (30.71, 38.93, 34.13, 31.48, 28.23, 32.70), (0.980, 0.984, 0.935, 0.892, 0.804, 0.919)
            ),
            Printed(
                "MoCE-IR", "25", (31.34, 38.57, 34.11, 31.45, 28.18, 32.73), (0.979, 0.984, 0.932, 0.888, 0.800, 0.917)
            ),
            Printed(
                "SLER-IR",
                "≈ 26 active + CLIP",
                (33.00, 38.34, 34.25, 31.68, 28.45, 33.14),
                (0.982, 0.983, 0.936, 0.897, 0.813, 0.922),
            ),
        ),
        "AnyIR": (Printed("AnyIR", "6", (31.75, 38.61, 34.12, 31.46, 28.20, 32.83)),),
    },
    "5-task": {
        "DaAIR": (
            Printed(
                "NAFNet", "17", (25.23, 35.56, 31.02, 26.53, 20.49, 27.76), (0.939, 0.967, 0.883, 0.808, 0.809, 0.881)
            ),
            Printed(
                "DGUNet", "17", (24.78, 36.62, 31.10, 27.25, 21.87, 28.32), (0.940, 0.971, 0.883, 0.837, 0.823, 0.891)
            ),
            Printed(
                "SwinIR", "1", (21.50, 30.78, 30.59, 24.52, 17.81, 25.04), (0.891, 0.923, 0.868, 0.773, 0.723, 0.835)
            ),
            Printed(
                "Restormer",
                "26",
                (24.09, 34.81, 31.49, 27.22, 20.41, 27.60),
                (0.927, 0.962, 0.884, 0.829, 0.806, 0.881),
            ),
            Printed("DL", "2", (20.54, 21.96, 23.09, 19.86, 19.83, 21.05), (0.826, 0.762, 0.745, 0.672, 0.712, 0.743)),
            Printed(
                "Transweather",
                "38",
                (21.32, 29.43, 29.00, 25.12, 21.21, 25.22),
                (0.885, 0.905, 0.841, 0.757, 0.792, 0.836),
            ),
            Printed(
                "TAPE", "1", (22.16, 29.67, 30.18, 24.47, 18.97, 25.09), (0.861, 0.904, 0.855, 0.763, 0.621, 0.801)
            ),
            Printed(
                "AirNet", "9", (21.04, 32.98, 30.91, 24.35, 18.18, 25.49), (0.884, 0.951, 0.882, 0.781, 0.735, 0.847)
            ),
            Printed(
                "IDR", "15", (25.24, 35.63, 31.60, 27.87, 21.34, 28.34), (0.943, 0.965, 0.887, 0.846, 0.826, 0.893)
            ),
            Printed(
                "DaAIR", "6", (31.97, 36.28, 31.07, 29.51, 22.38, 30.24), (0.980, 0.975, 0.878, 0.890, 0.825, 0.910)
            ),
        ),
        "SLER-IR": (
            Printed(
                "FSNet", "–", (25.53, 36.77, 31.33, 28.32, 22.29, 28.71), (0.943, 0.968, 0.883, 0.869, 0.829, 0.898)
            ),
            Printed(
                "PromptIR", "36", (26.54, 36.37, 31.47, 28.71, 22.68, 29.15), (0.949, 0.970, 0.886, 0.881, 0.832, 0.904)
            ),
            Printed(
                "InstructIR",
                "–",
                (26.14, 37.10, 31.44, 29.40, 23.00, 29.55),
                (0.973, 0.966, 0.887, 0.886, 0.836, 0.907),
            ),
            Printed(
                "VLU-Net", "–", (30.84, 38.54, 31.43, 27.46, 22.29, 30.11), (0.980, 0.982, 0.891, 0.840, 0.833, 0.905)
            ),
            Printed(
                "MoCE-IR", "25", (30.48, 38.04, 31.34, 30.05, 23.00, 30.58), (0.974, 0.982, 0.887, 0.899, 0.852, 0.919)
            ),
            Printed(
                "SLER-IR",
                "≈ 26 active + CLIP",
                (33.43, 38.47, 31.50, 31.27, 23.96, 31.73),
                (0.985, 0.983, 0.894, 0.918, 0.861, 0.928),
            ),
        ),
        "AnyIR": (Printed("AnyIR", "6", (31.41, 38.51, 31.37, 28.85, 23.11, 30.65)),),
    },
}

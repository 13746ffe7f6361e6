"""Settings of a run: device, seed, sizes, threads.

Five environment variables change how a notebook runs, without an edit.

    GENAI_SEED      the seed, 0 by default
    GENAI_SCALE     "cpu" (default) or "gpu": which column of `sizes` applies
    GENAI_DOWNLOAD  "1" lets a chapter fetch public weights; so does the scale "gpu"
    GENAI_PROGRESS  "1" shows a progress bar while training
    GENAI_CLAIMS    "record" lets a claim that fails be recorded instead of raised
"""

import os
from dataclasses import dataclass

import torch

SCALES = ("cpu", "gpu")


def device() -> torch.device:
    """Pick CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed() -> int:
    """Read GENAI_SEED; 0 when it is not set."""
    text = os.environ.get("GENAI_SEED", "0")
    if not text.isdigit():
        raise ValueError(f"GENAI_SEED={text!r} must be a whole number, 0 or more")
    return int(text)


def scale() -> str:
    """Read GENAI_SCALE: "cpu" when it is not set, or "gpu"."""
    name = os.environ.get("GENAI_SCALE", "cpu")
    if name not in SCALES:
        raise ValueError(f"GENAI_SCALE={name!r} must be one of {SCALES}")
    return name


def may_download() -> bool:
    """Say whether a chapter may fetch public weights; by default nothing is fetched."""
    text = os.environ.get("GENAI_DOWNLOAD", "")
    if text not in ("", "0", "1"):
        raise ValueError(f"GENAI_DOWNLOAD={text!r} must be 0 or 1")
    return text == "1" or (not text and scale() == "gpu")


@dataclass(frozen=True)
class Sizes:
    """The sizes of a chapter, as attributes; displayed, they are a table."""

    columns: dict[str, tuple]
    chosen: str

    def __getattr__(self, name: str):
        # copy looks up methods before the columns are set.
        columns = vars(self).get("columns", {})
        if name.startswith("_") or name not in columns:
            raise AttributeError(f"sizes has no {name!r}, only {list(columns)}")
        return columns[name][SCALES.index(self.chosen)]

    def __repr__(self) -> str:
        rows = [("", *SCALES), *((name, *pair) for name, pair in self.columns.items())]
        lines = [f"{row[0]:<20}{row[1]!s:>10}{row[2]!s:>12}" for row in rows]
        return "\n".join([*lines, f"this run uses the column {self.chosen!r}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row'>{name}</th><td>{small}</td><td>{large}</td></tr>"
            for name, (small, large) in self.columns.items()
        )
        return (
            f"<table><caption>Sizes; this run uses the column “{self.chosen}”</caption>"
            "<thead><tr><td></td><th scope='col'>cpu</th><th scope='col'>gpu</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>"
        )


def sizes(**columns: tuple) -> Sizes:
    """Name each size of a chapter as a pair (cpu, gpu); GENAI_SCALE picks the column.

    >>> sizes(steps=(800, 20_000)).steps
    800
    """
    for name, pair in columns.items():
        if not isinstance(pair, tuple) or len(pair) != len(SCALES):
            raise ValueError(f"{name}={pair!r} must be a pair (cpu, gpu)")
    return Sizes(columns, scale())


def threads(parameters: int = 0) -> int:
    """Use one thread below half a million parameters, where more only cost time.

    Parameters
    ----------
    parameters : int, default=0
        How many parameters the model has.

    Returns
    -------
    int
        The number of threads that PyTorch now uses.
    """
    if parameters < 500_000:
        torch.set_num_threads(1)
    return torch.get_num_threads()

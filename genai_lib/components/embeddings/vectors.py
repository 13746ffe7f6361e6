"""Made vectors to search among: in groups, or without any structure."""

import torch
from torch import Tensor


def clustered_vectors(
    rows: int,
    width: int,
    generator: torch.Generator,
    clusters: int = 200,
    spread: float = 1.0,
) -> Tensor:
    """Scatter vectors around random centres, as embeddings scatter around topics.

    Parameters
    ----------
    rows, width : int
    generator : torch.Generator
    clusters : int, default=200
        Their centres are drawn from a standard normal distribution; with 0 there is
        one cluster at the origin, which is no structure at all.
    spread : float, default=1.0
        Standard deviation around a centre.

    Returns
    -------
    Tensor of shape (rows, width)
    """
    if rows < 1 or width < 1 or clusters < 0:
        raise ValueError(
            f"rows={rows} and width={width} must be at least 1, clusters={clusters} 0"
        )
    noise = spread * torch.randn(rows, width, generator=generator)
    if clusters == 0:
        return noise
    centres = torch.randn(clusters, width, generator=generator)
    return centres[torch.randint(clusters, (rows,), generator=generator)] + noise

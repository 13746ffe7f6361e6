"""Images and videos as sequences: patches and tubelets, and back.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

Letters used in this file
    T  frames    C  channels    H  rows    W  columns of pixels
    t  frames, p  rows and columns of one tubelet; a patch has one frame
    N  tokens, N = T/t · H/p · W/p

Nothing is computed here, values only change their place. The linear layer that
follows in a model is the same as a convolution whose stride is its kernel [1].

References
    [1] Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv:2010.11929,
        eq. 1
    [2] Arnab et al., "ViViT: A Video Vision Transformer", 2021, arXiv:2103.15691,
        section 3.2
"""

from torch import Tensor

from genai_lib.checks import as_whole, check_positive, describe


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut images into square patches, row by row, each one token [1].

    Parameters
    ----------
    images : Tensor of shape (..., C, H, W)
    patch : int
        Rows and columns of a patch; it must divide H and W.

    Returns
    -------
    Tensor of shape (..., N, C·p·p)
        Within a token the order is channel, row, column.

    Raises
    ------
    ValueError
        If `images` has too few dimensions or `patch` does not divide them.
    """
    _check("images", images, 3)
    return tubelets(images.unsqueeze(-4), 1, patch)


def unpatchify(patches: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """Invert `patchify`: return images of shape (..., C, H, W)."""
    _check("patches", patches, 2)
    return untubelets(patches, 1, patch, 1, rows, columns).squeeze(-4)


def tubelets(video: Tensor, frames: int, patch: int) -> Tensor:
    """Cut videos into blocks of several frames, each one token [2].

    Parameters
    ----------
    video : Tensor of shape (..., T, C, H, W)
    frames : int
        Frames of a tubelet; it must divide T.
    patch : int
        Rows and columns of a tubelet; it must divide H and W.

    Returns
    -------
    Tensor of shape (..., N, C·t·p·p)
        Tokens in the order of time, row, column; within a token the order is channel,
        frame, row, column, so that one frame gives the tokens of `patchify`.

    Raises
    ------
    ValueError
        If `video` has too few dimensions, or `frames` or `patch` do not divide them.
    """
    _check("video", video, 4)
    length, _, rows, columns = video.shape[-4:]
    frames = _check_division("frames", frames, T=length)
    patch = _check_division("patch", patch, H=rows, W=columns)
    blocks = video.unflatten(-4, (-1, frames))  # (..., T/t, t, C, H, W)
    blocks = blocks.unflatten(-2, (-1, patch)).unflatten(-1, (-1, patch))
    # (..., T/t, t, C, H/p, p, W/p, p) to (..., T/t, H/p, W/p, C, t, p, p)
    blocks = blocks.movedim((-4, -2, -5, -6), (-6, -5, -4, -3))
    return blocks.flatten(-4).flatten(-4, -2)


def untubelets(
    tokens: Tensor, frames: int, patch: int, length: int, rows: int, columns: int
) -> Tensor:
    """Invert `tubelets`: return the video.

    Parameters
    ----------
    tokens : Tensor of shape (..., N, C·t·p·p)
    frames, patch : int
        As given to `tubelets`.
    length, rows, columns : int
        T, H and W of the video.

    Returns
    -------
    Tensor of shape (..., T, C, H, W)

    Raises
    ------
    ValueError
        If the sizes do not fit one another.
    """
    _check("tokens", tokens, 2)
    length, rows, columns = check_positive(length=length, rows=rows, columns=columns)
    frames = _check_division("frames", frames, length=length)
    patch = _check_division("patch", patch, rows=rows, columns=columns)
    grid = (length // frames, rows // patch, columns // patch)
    count, size = tokens.shape[-2:]
    if count != grid[0] * grid[1] * grid[2] or size % (frames * patch**2):
        raise ValueError(
            f"tokens of shape {tuple(tokens.shape)} are not the {grid} blocks of "
            f"{frames}x{patch}x{patch} in {length}x{rows}x{columns}"
        )
    blocks = tokens.unflatten(-2, grid).unflatten(-1, (-1, frames, patch, patch))
    blocks = blocks.movedim((-6, -5, -4, -3), (-4, -2, -5, -6))
    return blocks.flatten(-2).flatten(-3, -2).flatten(-5, -4)


def _check(name: str, value: object, dimensions: int) -> None:
    if not isinstance(value, Tensor) or value.ndim < dimensions:
        raise ValueError(
            f"{name}={describe(value)}: at least {dimensions} dimensions are needed"
        )


def _check_division(name: str, part: int, **sizes: int) -> int:
    whole = as_whole(part)
    for of, size in sizes.items():
        if whole is None or whole < 1 or size % whole:
            raise ValueError(f"{name}={part!r} must divide {of}={size}")
    return whole

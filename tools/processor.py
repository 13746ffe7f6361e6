"""Determine the class of this machine's processor, which decides how it rounds.

Run as `python -m tools.processor`; it prints the class as JSON.

Kernels round differently with AVX2, AVX-512 or ARM, with another version of torch and
with other sizes of caches. After a thousand steps of training such a difference is as
large as that of another seed. So a notebook stores the class of the processor that
executed it, and only on the same class are its measured numbers compared one by one.
"""

import functools
import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path

from tools.common import ROOT, variables


@functools.cache
def this_processor() -> dict[str, str]:
    """Ask a new process with the variables of a notebook's kernel for its class."""
    command = [sys.executable, "-m", "tools.processor"]
    done = subprocess.run(
        command, cwd=ROOT, env=variables(), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def measure() -> dict[str, str]:
    """Return the class of the processor of this process.

    Returns
    -------
    dict of str
        ``vendor``, ``vectors`` (their width, as torch reports it) and ``rounding``, a
        hash of the results of small pieces of training with these versions of torch
        and NumPy.
    """
    import torch

    return {
        "vendor": vendor(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "rounding": rounding(),
    }


def vendor() -> str:
    """Return who made the processor, or its architecture where nothing says more."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("vendor_id"):
                return line.split(":")[1].strip()
    for part in platform.processor().replace(",", " ").split():
        if part in ("AuthenticAMD", "GenuineIntel"):
            return part
    return platform.machine()


def rounding() -> str:
    """Hash the bits of products, activations and gradients of the usual sizes."""
    import numpy
    import torch

    versions = torch.__version__.split("+")[0], numpy.__version__
    digest = hashlib.sha256(repr(versions).encode())
    generator = torch.Generator().manual_seed(0)
    for batch, inner, outer in ((512, 64, 256), (48, 96, 96), (2000, 32, 7)):
        x = torch.randn(batch, inner, generator=generator)
        weight = torch.randn(outer, inner, generator=generator, requires_grad=True)
        y = torch.nn.functional.gelu(x @ weight.T).softmax(-1).log().mean()
        y.backward()
        digest.update(y.detach().numpy().tobytes())
        digest.update(weight.grad.numpy().tobytes())
    q = torch.randn(2, 4, 80, 16, generator=generator)
    attend = torch.nn.functional.scaled_dot_product_attention
    digest.update(attend(q, q, q, is_causal=True).numpy().tobytes())
    images = torch.randn(4, 3, 16, 16, generator=generator)
    kernels = torch.randn(8, 3, 3, 3, generator=generator)
    digest.update(torch.nn.functional.conv2d(images, kernels).numpy().tobytes())
    table = torch.randn(96, 64, generator=generator).double().numpy()
    digest.update((table.T @ table).tobytes())
    digest.update(numpy.linalg.svd(table, compute_uv=False).tobytes())
    return digest.hexdigest()[:8]


if __name__ == "__main__":
    print(json.dumps(measure()))

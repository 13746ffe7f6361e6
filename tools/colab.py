"""Run chapters with other versions of packages than those of the book, as on Colab.

`python -m tools.colab FOLDER --pins scikit-learn==1.6.1 numpy==2.0.2 --topics softmax`
makes a new environment in FOLDER from the wheel of the book and these pins, without
access to the checkout, and executes the chapters there. A cell that fails is an error;
claims that fail are reported, because numbers differ with other packages.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import environment
from tools.checks import notebooks
from tools.common import ROOT, Stop, variables

RUNNER = ROOT / "tools" / "run_chapters.py"
# What Colab has beside the needs of the library: the kernel, and its driver here.
KERNEL = ("nbclient", "ipykernel")


def make(folder: Path, pins: Sequence[str]) -> Path:
    """Make an environment with the library's wheel and these pins; return its Python.

    Raises
    ------
    Stop
        A step fails; the message has the last lines of its output.
    """
    wheels = folder / "wheel"
    run(sys.executable, "-m", "venv", folder)
    python = environment.python_of(folder)
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, ROOT)
    (wheel,) = wheels.glob("genai_lib-*.whl")
    run(python, "-m", "pip", "install", "-q", f"{wheel}[search]", *KERNEL, *pins)
    return python


def run(*command: object) -> None:
    """Run a command; stop with its last lines when it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise Stop(environment.explain(done.stdout + done.stderr))


def chosen(topics: Sequence[str]) -> list[Path]:
    """Return the notebooks of these topics, in their order."""
    found = {path.stem: path for path in notebooks(ROOT)}
    if unknown := [topic for topic in topics if topic not in found]:
        raise Stop(f"topics={unknown} have no notebook; there are: {', '.join(found)}")
    return [found[topic] for topic in topics]


def main(arguments: Sequence[str]) -> int:
    """Make the environment and execute the chapters; 1 when a cell of one failed."""
    parser = argparse.ArgumentParser(prog="tools.colab", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the new environment")
    parser.add_argument("--pins", nargs="*", default=[], help="scikit-learn==1.6.1")
    parser.add_argument("--topics", nargs="+", required=True, help="softmax gato")
    options = parser.parse_args(arguments)
    try:
        paths = chosen(options.topics)
        python = make(options.folder.resolve(), options.pins)
    except Stop as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    # The checkout must not be found: the wheel is what is tried.
    unseen = variables() | {"PYTHONPATH": ""}
    return subprocess.run([python, "-P", RUNNER, *paths], env=unseen).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

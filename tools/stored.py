"""Make the stored files of a topic again, and record what they were made from.

Run as `python -m tools.stored --topic NAME [--file NAME]` in the environment of the
book; `make stored` does. The module `stored.py` of a topic has `MAKERS`: functions that
write files into a folder, each with the names of these files. What they wrote goes into
the folder `stored` of the topic, with the hash of its inputs in `made.json`.
"""

import argparse
import importlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tools import inputs
from tools.common import ROOT, Stop
from tools.evidence import versions
from tools.processor import this_processor

LARGEST = 1_000_000  # bytes
RECORD = "made.json"


def makers(root: Path = ROOT) -> list[Path]:
    """Return every `stored.py` of the library, sorted."""
    return sorted((root / "genai_lib").rglob("stored.py"))


def fingerprint(maker: Callable, root: Path = ROOT) -> str:
    """Return the hash of everything that a maker's files depend on."""
    source = inspect.getsource(maker)
    return inputs.hash_of(
        [f"from {maker.__module__} import {maker.__name__}", source], root
    )


def make(maker: Callable, names: Sequence[str], folder: Path) -> None:
    """Run a maker and move its files into the folder, all of them or none.

    Raises
    ------
    Stop
        If it wrote other files than it says, or a file of more than a megabyte.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        maker(Path(place))
        written = {path.name: path for path in Path(place).iterdir()}
        if written.keys() != set(names):
            raise Stop(f"{maker.__name__} wrote {sorted(written)}, not {sorted(names)}")
        for name, path in written.items():
            if path.stat().st_size > LARGEST:
                size = path.stat().st_size
                raise Stop(f"{name} has {size:,} bytes; {LARGEST:,} are the most")
        folder.mkdir(exist_ok=True)
        for name, path in written.items():
            shutil.copyfile(path, folder / name)
    record(maker, names, folder)
    seconds = time.perf_counter() - start
    print(f"{', '.join(names)}: {seconds:.0f} s", flush=True)


def record(maker: Callable, names: Sequence[str], folder: Path) -> None:
    """Record in the folder what a maker's files were made from."""
    target = folder / RECORD
    made = json.loads(target.read_text("utf-8")) if target.is_file() else {}
    about = {"inputs": fingerprint(maker), "versions": versions()}
    made |= {name: about | {"processor": this_processor()} for name in names}
    text = json.dumps(made, indent=1, sort_keys=True)
    target.write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Make the files of one topic, or one of them."""
    parser = argparse.ArgumentParser(prog="tools.stored", description=__doc__)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--file")
    options = parser.parse_args(arguments)
    found = {path.parent.name: path for path in makers()}
    try:
        if options.topic not in found:
            raise Stop(f"topic={options.topic!r} keeps nothing; {', '.join(found)} do")
        path = found[options.topic].relative_to(ROOT).with_suffix("")
        module = importlib.import_module(".".join(path.parts))
        chosen = {
            maker: names
            for maker, names in module.MAKERS.items()
            if options.file in (None, *names)
        }
        if not chosen:
            raise Stop(f"file={options.file!r} is made by none of {options.topic}")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        for maker, names in chosen.items():
            make(maker, names, ROOT / path)
    except Stop as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

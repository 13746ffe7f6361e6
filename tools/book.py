"""Build, read, test and measure the book: `python tools/book.py --help`.

This file alone must parse on Python 3.6, so that an old Python is told what
to do instead of failing on newer syntax in the other files.
"""

import os
import shutil
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def version_problem(version):
    """Return the advice for a Python older than the book needs, or None."""
    if tuple(version[:2]) >= OLDEST:
        return None
    names = [f"python3.{minor}" for minor in range(14, OLDEST[1] - 1, -1)]
    found = [name for name in names if shutil.which(name)]
    advice = (
        "use the newer one you have: make book PYTHON=" + found[0]
        if found
        else "install a newer Python (python.org), then make book PYTHON=python3.11"
    )
    need, have = ".".join(map(str, OLDEST)), ".".join(map(str, version[:2]))
    return f"error: the book needs Python {need} or newer, this is {have}; {advice}"


if __name__ == "__main__":
    problem = version_problem(sys.version_info)
    if problem:
        sys.exit(problem)
    sys.path[0] = ROOT
    from tools.commands import main

    sys.exit(main(sys.argv[1:]))

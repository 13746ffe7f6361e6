"""Set up `.venv` when it is missing or stale, and say which Python to use.

There are two levels: `book` is what building the website needs, `all` adds
torch and the tests. A stamp inside `.venv` is written last, so an interrupted
set-up is repaired by the next command; with a valid stamp neither pip nor the
network is touched. `BOOK_PYTHON` names another Python to use as it is.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.common import ROOT, Stop

LEVELS = ("book", "all")
_INPUTS = ("requirements.txt", "pyproject.toml")
_ANNOUNCEMENT = {
    "book": "Setting up .venv to build the website (once; about a minute, 0.4 GB)",
    "all": "Setting up .venv for everything (once; a few minutes, about 2 GB)",
}


def ready(level: str, root: Path = ROOT) -> str:
    """Return the Python of an environment of at least this level.

    Parameters
    ----------
    level : {"book", "all"}
    root : Path, default=ROOT
        Folder of the book; its `.venv` is set up or repaired when need be.

    Raises
    ------
    Stop
        The environment cannot be set up; the message says why.
    """
    if chosen := os.environ.get("BOOK_PYTHON"):
        return chosen
    folder = root / ".venv"
    if not is_fresh(folder, level, root):
        print(_ANNOUNCEMENT[level], flush=True)
        stamp_path(folder).unlink(missing_ok=True)
        make(folder)
        install(folder, level, root)
        stamp = {"key": key(folder, root), "level": level}
        stamp_path(folder).write_text(json.dumps(stamp), encoding="utf-8")
    return str(python_of(folder))


def python_of(folder: Path) -> Path:
    """Return the path of the Python inside a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp_path(folder: Path) -> Path:
    """Return the file that says what an environment was set up for."""
    return folder / "book-stamp.json"


def version_of(folder: Path) -> str:
    """Return "3.11" for a working environment and "" for any other.

    An environment whose base Python was replaced by another minor version
    still starts, but does not find its packages: it does not work.
    """
    question = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [python_of(folder), "-I", "-c", question], capture_output=True, text=True
        )
    except OSError:
        return ""
    return answer.stdout.strip()


def key(folder: Path, root: Path) -> str:
    """Return one hash of everything that an environment depends on."""
    digest = hashlib.sha256(f"{version_of(folder)} {root}".encode())
    for name in _INPUTS:
        digest.update(b"\0" + (root / name).read_bytes())
    return digest.hexdigest()


def is_fresh(folder: Path, level: str, root: Path) -> bool:
    """Say whether an environment was set up for this level and these pins."""
    try:
        stamp = json.loads(stamp_path(folder).read_text(encoding="utf-8"))
        enough = LEVELS.index(stamp["level"]) >= LEVELS.index(level)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return enough and stamp["key"] == key(folder, root)


def make(folder: Path) -> None:
    """Create the virtual environment unless a working one is there."""
    version = version_of(folder)
    if version and tuple(map(int, version.split("."))) >= (3, 11):
        return
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "venv", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise Stop(explain(made.stdout + made.stderr))


def install(folder: Path, level: str, root: Path) -> None:
    """Install what a level needs; an `all` environment serves `book` too."""
    pins = str(root / "requirements.txt")
    if level == "book":
        _pip(folder, "-c", pins, *section(root, "book"))
        return
    # torch first: it is the longest download and the likeliest to fail.
    _pip(folder, "-c", pins, "torch")
    _pip(folder, "-r", pins)
    _pip(folder, "--no-deps", "--no-build-isolation", "-e", str(root))


def section(root: Path, name: str) -> list[str]:
    """Return the package names of one section of `requirements.txt`."""
    names, current = [], None
    for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"# \[(\w+)\]", line):
            current = heading[1]
        elif current == name and (package := re.match(r"[\w.-]+", line)):
            names.append(package[0])
    return names


def _pip(folder: Path, *arguments: str) -> None:
    log = folder / "pip.log"
    command = [python_of(folder), "-m", "pip", "install", *arguments]
    with open(log, "w", encoding="utf-8") as output:
        status = subprocess.run(command, stdout=output, stderr=output).returncode
    if status:
        raise Stop(explain(log.read_text(encoding="utf-8", errors="replace")))


_CAUSES = {
    r"ensurepip": "this Python cannot make a virtual environment; install what is "
    "missing (Debian, Ubuntu: sudo apt-get install python3-venv) and run again",
    r"No space left on device|Errno 28": "the disk is full; free about 3 GB "
    "(`make clean ALL=1` removes .venv) and run again",
    r"Failed to establish|NewConnectionError|name resolution|getaddrinfo|Retrying \(|"
    r"Network is unreachable|ConnectTimeout|ReadTimeout|ProxyError|SSLError|"
    r"Connection refused|Connection to .* timed out|ConnectionReset": "packages could "
    "not be downloaded; the set-up needs a network once (check it, your proxy and "
    "PIP_* settings) and run again",
    r"Failed building wheel for hnswlib": "hnswlib, the "
    "search library of one chapter, is compiled when it is installed; get a C++ "
    "compiler (Debian, Ubuntu: sudo apt-get install g++ python3-dev; macOS: "
    "xcode-select --install; Windows: the C++ build tools of Visual Studio) and run "
    "again; reading the book (make book) needs none",
    r"No matching distribution|Requires-Python": "a pinned package does not exist for "
    "this Python or system; take another Python from 3.11 on (make book "
    "PYTHON=python3.12) or a 64-bit system, and run `make clean ALL=1` first",
}


def explain(log: str) -> str:
    """Return cause and remedy of a failed set-up, above the lines that show it."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern, advice in _CAUSES.items():
        if shown := [line for line in lines if re.search(pattern, line)]:
            return "\n".join([advice, *(f"  | {line[:300]}" for line in shown[-2:])])
    unknown = "the set-up failed; these are its last lines:"
    return "\n".join([unknown, *(f"  | {line[:300]}" for line in lines[-8:])])

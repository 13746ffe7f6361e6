"""Build the website from the stored outputs and serve it on this machine."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
import webbrowser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from tools import checks
from tools.common import ROOT, Stop, plain, variables

SITE = ROOT / "_build" / "html"
FIRST_PORT = 8000
_TRIES = 11
_SHOWN = 20
# The installed script has an absolute path, which breaks when the folder is moved.
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
_COMPLAINT = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|Error:|error:")


def check() -> None:
    """Stop with one line per problem when the book is not fit to be built."""
    if found := checks.problems(ROOT):
        raise Stop("\n".join(["the book cannot be built:", *found]))


def build(python: str, *, fresh: bool = False) -> None:
    """Build the website into `_build/html`, any warning being an error.

    Parameters
    ----------
    python : str
        The Python of an environment of level `book` or more.
    fresh : bool, default=False
        Build every page, also those that did not change.

    Raises
    ------
    Stop
        The build complained; what it built is removed.
    """
    if fresh:
        shutil.rmtree(SITE.parent, ignore_errors=True)
    command = [python, "-c", _JUPYTER_BOOK, "build", "-W", "-n", "--keep-going", "."]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        # Sphinx does not repeat the warnings of pages that it does not read again.
        shutil.rmtree(SITE.parent, ignore_errors=True)
        raise Stop(_complaints(done.stdout))
    pages = len(checks.toc_entries(ROOT))
    seconds = time.perf_counter() - start
    print(f"Built {pages} pages in {seconds:.0f} s: {SITE / 'index.html'}")


def _complaints(output: str) -> str:
    lines = [line.strip() for line in plain(output).splitlines() if line.strip()]
    found = [line for line in lines if _COMPLAINT.search(line)] or lines[-10:]
    shown = [line.replace(str(ROOT) + os.sep, "") for line in dict.fromkeys(found)]
    more = [f"... and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
    return "\n".join(
        ["the website did not build; mend this and run again:", *shown[:_SHOWN], *more]
    )


class Handler(SimpleHTTPRequestHandler):
    """Serve the built website quietly and without stale pages."""

    # The registry of a Windows machine may call scripts plain text.
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".css": "text/css",
        ".js": "text/javascript",
        ".svg": "image/svg+xml",
    }

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=str(SITE))

    def end_headers(self):
        """Let the browser ask again, so that a new build is seen."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format, *arguments):
        """Keep the terminal free for the address."""


class Server(ThreadingHTTPServer):
    """A server that never shares its port with another program."""

    # On Windows this option lets two programs listen on one port.
    allow_reuse_address = os.name == "posix"


def open_server(port: int | None = None) -> ThreadingHTTPServer:
    """Take a port of this machine: the one asked for, else the first free one.

    Raises
    ------
    Stop
        The port asked for is taken, or 8000 to 8010 all are.
    """
    candidates = [port] if port else range(FIRST_PORT, FIRST_PORT + _TRIES)
    for candidate in candidates:
        try:
            return Server(("127.0.0.1", candidate), Handler)
        except OSError as problem:
            if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    taken = (
        f"port {port} is" if port else f"ports {candidates[0]} to {candidates[-1]} are"
    )
    other = 8123 if port != 8123 else 8124
    raise Stop(f"{taken} taken; choose another: make book PORT={other}")


def serve(server: ThreadingHTTPServer) -> int:
    """Serve until Ctrl-C; print the address and open it on a desktop."""
    address = f"http://127.0.0.1:{server.server_port}"
    print(f"Read the book at {address} (Ctrl-C ends)")
    if _is_desktop():
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nThe book is closed.")
    return 0


def _is_desktop() -> bool:
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return screen and sys.stdin.isatty() and "CI" not in os.environ

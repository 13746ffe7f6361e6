"""The commands of the book and their options."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence

from tools import environment, housekeeping, website
from tools.common import ROOT, Stop, variables

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A Windows console of an old code page cannot print "✓".
        stream.reconfigure(errors="replace", line_buffering=True)
    try:
        return options.command(options)
    except Stop as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Describe every command and its options."""
    result = argparse.ArgumentParser(prog="book.py", description=__doc__)
    commands = result.add_subparsers(metavar="command", required=True)

    def add(name: str, command: Command, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=command)
        return added

    book = add("book", read, "build the website and serve it")
    book.add_argument("--no-serve", action="store_true", help="stop after the build")
    serve = add("serve", serve_again, "serve the website as it was last built")
    for command in (book, serve):
        command.add_argument("--port", type=_port, help="8000 when free")
    add("setup", set_up, "set up .venv for all commands")
    test = add("test", prove, "build the website, then run all tests")
    notebooks = add("notebooks", execute, "execute the notebooks that changed")
    evidence = add("evidence", gather, "measure the claims on several seeds")
    evidence.add_argument("--seeds", default="0-4", help="0-4 unless given")
    evidence.add_argument("--scale", default="cpu", help="cpu or gpu")
    stored = add("stored", keep, "make again what the book keeps trained")
    stored.add_argument("--file", help="only this file and those made with it")
    add("stamp", stamp, "write costs and the repository's address into notebooks")
    bench = add("bench", measure, "run the benchmarks")
    text = add("text", as_text, "write a notebook as a text file to edit")
    untext = add("untext", from_text, "write the edited text back to its notebook")
    for command in (test, notebooks, evidence, bench):
        command.add_argument("--topic", help="only this topic, for example softmax")
    for command in (text, untext, stored):
        command.add_argument("--topic", required=True, help="for example softmax")
    notebooks.add_argument("--all", action="store_true", help="changed or not")
    test.add_argument("--all", action="store_true", help="trust no record of the past")
    clean = add("clean", tidy, "remove what was built")
    clean.add_argument("--all", action="store_true", help=".venv as well")
    return result


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"port={text!r} must be in 1..65535")
    return int(text)


def read(options: argparse.Namespace) -> int:
    """Build the website and, unless told otherwise, serve it."""
    website.check()
    if options.no_serve:
        website.build(environment.ready("book"))
        return 0
    # The port is taken before the set-up: better to hear of it at once.
    with website.open_server(options.port) as server:
        website.build(environment.ready("book"))
        return website.serve(server)


def serve_again(options: argparse.Namespace) -> int:
    """Serve what was built before."""
    if not (website.SITE / "index.html").is_file():
        raise Stop("the website is not built yet; run `make book`")
    with website.open_server(options.port) as server:
        return website.serve(server)


def set_up(options: argparse.Namespace) -> int:
    """Set up everything, for an editor or for CI."""
    print(f"ready: {environment.ready('all')}")
    return 0


def prove(options: argparse.Namespace) -> int:
    """Build the website, then run one pytest session; its status is ours."""
    website.check()
    python = environment.ready("all")
    website.build(python, fresh=options.topic is None)
    pytest = [python, "-m", "pytest", "-n", "2", "--dist", "loadgroup"]
    topic = ["--topic", options.topic] if options.topic else []
    trust = ["--all"] if options.all else []
    command = [*pytest, *topic, *trust]
    return subprocess.run(command, cwd=ROOT, env=variables()).returncode


def _in_environment(module: str, *arguments: str) -> int:
    command = [environment.ready("all"), "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables()).returncode


def execute(options: argparse.Namespace) -> int:
    """Execute the notebooks in the environment of the book."""
    topic = ["--topic", options.topic] if options.topic else []
    return _in_environment("tools.notebooks", *topic, *["--all"] * options.all)


def gather(options: argparse.Namespace) -> int:
    """Execute notebooks once per seed and store what their claims measured."""
    topic = ["--topic", options.topic] if options.topic else []
    settings = ["--seeds", options.seeds, "--scale", options.scale]
    return _in_environment("tools.evidence", *topic, *settings)


def keep(options: argparse.Namespace) -> int:
    """Make the stored files of a topic again."""
    file = ["--file", options.file] if options.file else []
    return _in_environment("tools.stored", "--topic", options.topic, *file)


def stamp(options: argparse.Namespace) -> int:
    """Write what chapters cost, and where the book lives, into the notebooks."""
    return _in_environment("tools.stamp")


def as_text(options: argparse.Namespace) -> int:
    """Write a notebook as text."""
    return _in_environment("tools.text", "text", options.topic)


def from_text(options: argparse.Namespace) -> int:
    """Write the text back into its notebook."""
    return _in_environment("tools.text", "untext", options.topic)


def measure(options: argparse.Namespace) -> int:
    """Run every benchmark, or that of one topic, one after the other."""
    scripts = sorted((ROOT / "tests").glob(f"*/{options.topic or '*'}/bench.py"))
    if not scripts:
        raise Stop(f"no benchmark tests/*/{options.topic or '*'}/bench.py")
    python = environment.ready("all")
    for script in scripts:
        status = subprocess.run([python, script], cwd=ROOT, env=variables()).returncode
        if status:
            raise Stop(f"{script.relative_to(ROOT)} failed with exit status {status}")
    return 0


def tidy(options: argparse.Namespace) -> int:
    """Remove what can be made again."""
    housekeeping.clean(ROOT, everything=options.all)
    return 0

"""The explorer in JupyterLab: alive with a kernel, a picture before."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools.common import ROOT, variables

pytest.importorskip("jupyterlab")

SOURCE = """
from genai_lib.live.explorer import explore

explore(
    lambda theta: f"drawn at {theta:.2f}",
    name="probe",
    caption="Move it.",
    alt="A drawn number.",
    labels={"theta": "temperature"},
    theta=[0.5, 1.0, 2.0],
)
"""
WAIT_MS = 120_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def lab(folder):
    """Serve a folder with JupyterLab; its settings are those of nobody."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = [
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=",
        "--ServerApp.open_browser=False",
        "--ServerApp.allow_root=True",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    places = {
        f"JUPYTER_{name}_DIR": str(folder / name.lower())
        for name in ("CONFIG", "DATA", "RUNTIME")
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env=variables(ROOT) | places | {"HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(address + "/api", server)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address, server):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert server.poll() is None, "JupyterLab did not start"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(0.3)
    raise AssertionError("JupyterLab did not answer within 90 s")


def executed_notebook(path):
    """Write a notebook as a reader gets it: with outputs, without widgets."""
    from tools.notebooks import execute
    from tools.tidiness import tidy, write

    cell = new_code_cell(SOURCE.strip())
    nbformat.write(new_notebook(cells=[cell]), path)
    write(path, tidy(execute(path).notebook, "probe"))


def test_alive_with_a_kernel_and_a_picture_before(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT)]))
    path = tmp_path / "probe.ipynb"
    executed_notebook(path)
    with lab(tmp_path) as address, closing(browser.new_context()) as context:
        page = context.new_page()
        page.set_viewport_size({"width": 1200, "height": 900})
        page.goto(f"{address}/lab/tree/probe.ipynb")
        output = page.locator(".jp-OutputArea-output")

        # Not trusted, not run: one picture with its text, no control.
        picture = output.locator("img")
        picture.wait_for(timeout=WAIT_MS)
        assert picture.count() == 1
        assert picture.get_attribute("alt") == "A drawn number."
        assert output.locator("input, .widget-readout").count() == 0

        # A cell that runs before the kernel is known shows no widget.
        idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
        idle.wait_for(timeout=WAIT_MS)
        page.wait_for_timeout(2000)
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        drawn = output.locator("pre", has_text="drawn at")
        readout = output.locator(".widget-readout")
        readout.wait_for(timeout=WAIT_MS)
        assert drawn.inner_text() == "drawn at 0.50"

        # 1.37 is none of the listed values.
        readout.click()
        page.keyboard.press("Control+A")
        page.keyboard.type("1.37")
        page.keyboard.press("Enter")
        output.locator("pre", has_text="drawn at 1.37").wait_for(timeout=WAIT_MS)

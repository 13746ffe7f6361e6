"""Groups of tests that stay in one worker, the longest first.

`pytest -n 2 --dist loadgroup` gives a worker a whole group at a time, so what a group
opens, trains or reads is opened, trained or read once. Each page of the website is a
group of its own, and every other file is one. The last group of a session should be a
short one, so groups come in the order of what they cost when they last ran here, which
pytest's cache remembers; until then notebooks and pages come first, then the files with
the most tests.

xdist has marks for groups, which it writes into the names of tests. From pytest 9.2 on
it fails to and says nothing, so here the groups follow from the names instead.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest

CACHED = "book/seconds"
PAGE_OF = re.compile(r"tests/website/.*\[(?P<page>[\w/]+\.html)\b")
# What a group costs in seconds before it has been measured.
NOTEBOOK, PAGE, TEST = 40.0, 10.0, 0.05


def group_of(nodeid: str) -> str:
    """Return the group of a test: the page that it opens, else its file.

    >>> group_of("tests/website/test_pages_browser.py::test_quiet[chapters/a.html]")
    'chapters/a.html'
    >>> group_of("tests/book/test_links.py::test_rule[chapters/a.html-rule]")
    'tests/book/test_links.py'
    """
    found = PAGE_OF.match(nodeid)
    return found["page"] if found else nodeid.split("::")[0]


def expected(names: Iterable[str], seconds: dict[str, float]) -> dict[str, float]:
    """Return the seconds that each group will take: as measured, else a guess.

    Parameters
    ----------
    names : iterable of str
        The names of all tests.
    seconds : dict of str to float
        What groups took in former sessions.
    """
    guesses = {"ipynb": NOTEBOOK, "html": PAGE}
    return {
        group: seconds.get(group, guesses.get(group.rpartition(".")[2], TEST * tests))
        for group, tests in Counter(map(group_of, names)).items()
    }


def remembered(config: pytest.Config) -> dict[str, float]:
    """Return the seconds of each group in former sessions on this machine."""
    cache = getattr(config, "cache", None)  # none with `-p no:cacheprovider`
    return cache.get(CACHED, {}) if cache else {}


def pytest_configure(config):
    """Keep our order: xdist would send the groups with the most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    if getattr(config.option, "dist", None) == "loadgroup":
        config.pluginmanager.register(Seconds(config), "seconds-of-groups")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Sort by group after all others, also pytest itself, have had their say."""
    yield
    costs = expected([item.nodeid for item in items], remembered(config))
    names = {item: group_of(item.nodeid) for item in items}
    items.sort(key=lambda item: (-costs[names[item]], names[item]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out whole groups with `--dist loadgroup`."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        """Gives each worker one group after the other."""

        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return Groups(config, log) if config.option.dist == "loadgroup" else None


class Seconds:
    """What each group of a session cost, as its controller adds it up."""

    def __init__(self, config):
        self.config = config
        self.spent = defaultdict(float)

    def pytest_runtest_logreport(self, report):
        """Add the time of one phase of a test."""
        self.spent[group_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self):
        """Write the times where the next session finds them."""
        if cache := getattr(self.config, "cache", None):
            cache.set(CACHED, remembered(self.config) | self.spent)

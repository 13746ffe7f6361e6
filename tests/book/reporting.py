"""How a broken rule fails a test."""

import pytest


def report(problems: list[str]) -> None:
    """Fail with one line per problem, if there are any."""
    if problems:
        pytest.fail("\n" + "\n".join(problems), pytrace=False)

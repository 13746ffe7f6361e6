"""The mechanism of the exercises: verdicts, checkers and how they are marked."""

import pytest

from genai_lib.exercises import Verdict, checker
from tests.book import sample
from tests.book.exercise_markup import exercises, malformed_headings, show_all


@checker
def check_sum(function, terms=2):
    """Check that the function adds."""
    if function(*[1] * terms) != terms:
        return "ones should be added"
    return None


@checker
def check_rejects(function):
    """Check that the function rejects negative numbers."""
    try:
        function(-1)
    except ValueError:
        return None
    return "a negative number should be a ValueError"


@checker
def check_length(function):
    """Check the length of the result."""
    return None if len(function(1)) == 1 else "one item is wanted"


def raising(error):
    """Return a function that raises."""

    def function(*numbers):
        raise error

    return function


def unfilled(*numbers): ...


def test_right_function_passes():
    verdict = check_sum(lambda *numbers: sum(numbers), terms=3)

    assert verdict
    assert repr(verdict) == "✓ check_sum: right"


@pytest.mark.parametrize(
    ("check", "function", "message"),
    [
        (check_sum, lambda a, b: a * b, "ones should be added"),
        (check_sum, unfilled, "returned None: it is not filled in yet"),
        (check_sum, lambda a, b: ..., "returned Ellipsis: it is not filled in yet"),
        (check_sum, raising(NotImplementedError()), "is not filled in yet"),
        (check_sum, raising(KeyError("a")), "raised KeyError: 'a'"),
        (check_sum, raising(SystemExit(3)), "raised SystemExit: 3"),
        (check_sum, raising(ValueError("two\nlines")), "raised ValueError: two"),
        (check_sum, raising(ValueError()), "raised ValueError"),
        (check_sum, lambda a: a, "raised TypeError: "),
        (check_sum, 2, "pass the function itself, not its result (got int)"),
        (check_rejects, abs, "a negative number should be a ValueError"),
        (check_rejects, unfilled, "returned None"),
        (check_length, abs, "could not be checked: TypeError: "),
    ],
)
def test_wrong_function_gets_a_reason_and_never_raises(check, function, message):
    verdict = check(function)

    assert not verdict
    assert message in verdict.message
    assert repr(verdict) == f"✗ {verdict.message}"


def test_checker_may_expect_an_error():
    assert check_rejects(raising(ValueError("negative")))


def test_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        check_sum(raising(KeyboardInterrupt()))


def test_verdict_is_one_line_without_addresses():
    verdict = Verdict(False, f"got {object()}\n  and more")

    assert repr(verdict) == "✗ got <object object> and more"


def notebook(*cells):
    """Return a notebook as json reads it."""
    return {"cells": list(cells)}


def test_exercise_is_read_from_markdown():
    text = sample.EXERCISE.format(number=2, kind="build")

    (exercise,) = exercises(notebook(sample.words(text), sample.words("## Summary")))

    assert (exercise.number, exercise.kind, exercise.details) == (2, "build", 1)
    assert exercise.stub == "def mix(first, second):\n    ...\n"
    assert exercise.check_calls() == ["check_mix(mix)"]


def test_stub_may_be_a_cell_that_is_not_run():
    heading = "### Exercise 1 (build, about 1 minute)"
    details = sample.EXERCISE.partition("<details>")[2]
    cells = [
        sample.words(heading),
        sample.code("def mix(a, b):\n    ...", tags=["skip-execution"]),
        sample.words("<details>" + details),
        sample.code("mix = 3"),
    ]

    (exercise,) = exercises(notebook(*cells))

    assert exercise.stub == "def mix(a, b):\n    ...\n"
    assert len(exercise.solutions) == 1


def test_stub_is_checked_without_the_solution():
    text = sample.EXERCISE.format(number=1, kind="build")

    (exercise,) = exercises(notebook(sample.words(text)))

    assert exercise.stub_under_check().splitlines() == [
        "from genai_lib.components.colour.exercises import check_mix",
        "def mix(first, second):",
        "    ...",
        "check_mix(mix)",
    ]


def test_exercise_ends_where_the_next_part_begins():
    text = sample.EXERCISE.format(number=1, kind="build")
    later = sample.words("## Summary\n\n```python\n1\n```\n" + text.partition("Do")[2])

    (exercise,) = exercises(notebook(sample.words(text), later))

    assert exercise.details == 1


def test_notebook_without_exercises_has_none():
    assert exercises(notebook(sample.words("# Colour"))) == []


def test_heading_of_another_form_is_reported():
    cell = sample.words(
        "### Exercise 1: guess\n\n### Exercise 2 (build, about 3 minutes)"
    )

    assert malformed_headings(notebook(cell)) == ["### Exercise 1: guess"]


def test_every_value_of_a_solution_is_shown():
    shown = show_all("x = 1\ncheck_a(x)\nif x:\n    f(x)\ncheck_b(x)")

    assert shown.count("display(") == 2
    assert "display(check_a(x))" in shown


def test_solution_that_is_not_python_is_left_to_the_kernel():
    assert show_all("x = = 1") == "x = = 1"

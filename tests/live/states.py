"""Figures compared with the library at many states, without a browser.

200 states after a change of the figure, of what it imports or of what the library
computes for it; 20 while all that is as it was when 200 passed
(:mod:`tests.book.proven`). Ends and ties come first.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import chain
from random import Random
from types import CodeType, FunctionType, ModuleType

import pytest

from genai_lib.live.controls import Choice, Control
from genai_lib.live.figure import LiveFigure
from tests.book import proven
from tools import inputs

MANY, FEW = 200, 20
Numbers = dict[str, float]
State = dict[str, float | str]


def check_states(
    request: pytest.FixtureRequest,
    make: Callable[[], LiveFigure],
    library: Callable[[State], Numbers],
    *,
    tolerance: float = 1e-6,
    draw: Callable[[LiveFigure, Random], State] | None = None,
) -> list[Numbers]:
    """Compare a figure with the library and record that it passed.

    Parameters
    ----------
    request : FixtureRequest
        Of the test that asks.
    make : callable
        The function of the library that makes the figure.
    library : callable
        Gives the right numbers for a state: a function of a test module.
    tolerance : float, default=1e-6
        By how much a number may differ.
    draw : callable, default=None
        Draws a state at random; `random_state` unless given.

    Returns
    -------
    list of dict
        The library's numbers at every state.
    """
    figure, value = make(), inputs_of(make, library)
    known = proven.is_proven(request.config, "figures", figure.name, value)
    proven.record(request.node, "figures", figure.name, value)
    wanted = []
    for state in states(figure, FEW if known else MANY, draw or random_state):
        wanted.append(library(state))
        found = figure.evaluate(**state)
        assert found == pytest.approx(wanted[-1], rel=0, abs=tolerance), state
    return wanted


def states(figure: LiveFigure, number: int, draw: Callable) -> Iterator[State]:
    """Yield at least `number` states, first those at the ends and with ties."""
    random = Random(0)
    first = list(corners(figure, lambda: draw(figure, random)))
    more = (draw(figure, random) for _ in range(number - len(first)))
    return chain(first, more)


def corners(figure: LiveFigure, drawn: Callable[[], State]) -> Iterator[State]:
    """Yield both ends of all controls at once, then of each, then tied logits."""
    for end in (0, 1):
        yield {control.param: ends(control)[end] for control in figure.controls}
    for control in figure.controls:
        for value in ends(control):
            yield drawn() | {control.param: value}
    if logits := [c.param for c in figure.controls if c.param.startswith("logit_")]:
        state = drawn()
        yield state | dict.fromkeys(logits, state[logits[0]])


def ends(control: Control) -> tuple[float | str, float | str]:
    """Return the first and the last value of a control."""
    if isinstance(control, Choice):
        return control.options[0], control.options[-1]
    return control.minimum, control.maximum


def random_state(figure: LiveFigure, random: Random) -> State:
    """Draw a position for each control; the ends and ties come up often."""
    state = {}
    for control in figure.controls:
        if isinstance(control, Choice):
            state[control.param] = random.choice(control.options)
            continue
        steps = round((control.maximum - control.minimum) / control.step)
        step = random.choice([0, steps, *random.choices(range(steps + 1), k=6)])
        # As a browser does: the nearest number with as many digits as the step has.
        state[control.param] = round(control.minimum + step * control.step, 6)
    logits = [param for param in state if param.startswith("logit_")]
    if logits and random.random() < 0.3:
        for param in random.sample(logits, 3):
            state[param] = state[logits[0]]
    return state


def inputs_of(make: Callable, library: Callable) -> str:
    """Return the hash of what the numbers of a figure and of the library follow from.

    That is the code of the function `library`, of those of the tests that it calls, of
    every module of the library that these and the figure import, and Vega's version.
    """
    functions = own_functions(library)
    modules = {make.__module__}
    for function in functions:
        modules |= {module_of(value) for value in used(function)}
    named = sorted(name for name in modules if name.startswith("genai_lib."))
    sources = [textwrap.dedent(inspect.getsource(one)) for one in functions]
    texts = [repr(version("vl-convert-python")), *map(inputs.code_of, sources)]
    imports = [f"import {name}" for name in named]
    return inputs.hash_of([*texts, *imports], proven.ROOT)


def own_functions(library: Callable) -> list[FunctionType]:
    """Return a function of the tests with the ones of the tests that it calls."""
    found, waiting = [], [library]
    while waiting:
        function = waiting.pop()
        if function not in found:
            found.append(function)
            waiting += [
                value
                for value in used(function)
                if inspect.isfunction(value) and value.__module__.startswith("tests.")
            ]
    return sorted(found, key=lambda function: function.__qualname__)


def used(function: FunctionType) -> Iterator[object]:
    """Yield the global things that the code of a function names."""
    waiting: list[CodeType] = [function.__code__]
    while waiting:
        code = waiting.pop()
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
        names = set(code.co_names) & function.__globals__.keys()
        yield from (function.__globals__[name] for name in names)


def module_of(value: object) -> str:
    """Return the module that a thing is or comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    return getattr(value, "__module__", None) or ""

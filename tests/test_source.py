"""Source in a notebook is the tested source, with short docstrings."""

import sys
from unittest import mock

from genai_lib.components.softmax import softmax_loop
from genai_lib.genres.inference import generate_loop
from genai_lib.source import short_source, show_source


def test_the_code_is_the_library_s_and_the_docstring_one_line():
    text = short_source(softmax_loop)
    assert text.startswith("def softmax_loop(")
    assert text.count('"""') == 2
    assert ">>>" not in text
    assert "# Subtracting the largest logit" in text
    namespace = dict(vars(sys.modules[softmax_loop.__module__]))
    exec(text, namespace)
    assert namespace["softmax_loop"]([1.0, 1.0]) == [0.5, 0.5]


class Outer:
    """Say one thing.

    And more.
    """

    def method(self):
        """Do it.

        At length.
        """
        return 1


def test_docstrings_of_methods_are_cut_too():
    text = short_source(Outer)
    assert '"""Say one thing."""' in text
    assert '"""Do it."""' in text
    assert "length" not in text
    assert text.rstrip().endswith("return 1")


def test_a_wrapped_function_is_shown_under_the_file_that_holds_it():
    shown = []
    with mock.patch("genai_lib.source.display", shown.append):
        show_source(generate_loop)
    path, code = shown[0].data.split("\n\n", 1)
    assert path == "`genai_lib/genres/inference/generation.py`"
    assert "def generate_loop(" in code

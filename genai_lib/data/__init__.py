"""Data sets that need no network: real ones from installed packages, and made ones."""

from genai_lib.data.characters import CharacterTokenizer, even_windows, random_windows
from genai_lib.data.digits import Digits, load_digits
from genai_lib.data.documentation import (
    Documentation,
    Section,
    load_documentation,
    load_sections,
)

__all__ = [
    "CharacterTokenizer",
    "Digits",
    "Documentation",
    "Section",
    "even_windows",
    "load_digits",
    "load_documentation",
    "load_sections",
    "random_windows",
]

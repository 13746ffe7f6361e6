"""Data sets that need no network: real ones from installed packages, and made ones."""

from genai_lib.data.characters import Characters, even_windows, random_windows
from genai_lib.data.digits import Digits, load_digits
from genai_lib.data.documentation import (
    Documentation,
    Section,
    load_documentation,
    load_sections,
)
from genai_lib.data.tokenizer import load_tokenizer
from genai_lib.data.vectors import clustered_vectors

__all__ = [
    "Characters",
    "Digits",
    "Documentation",
    "Section",
    "clustered_vectors",
    "even_windows",
    "load_digits",
    "load_documentation",
    "load_sections",
    "load_tokenizer",
    "random_windows",
]

"""Data sets that need no network: real ones from installed packages, and made ones."""

from genai_lib.data.digits import Digits, load_digits
from genai_lib.data.documentation import Documentation, load_documentation
from genai_lib.data.tokenizer import load_tokenizer
from genai_lib.data.vectors import clustered_vectors

__all__ = [
    "Digits",
    "Documentation",
    "clustered_vectors",
    "load_digits",
    "load_documentation",
    "load_tokenizer",
]

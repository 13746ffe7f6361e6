"""Data sets that need no network: real ones from installed packages, and made ones."""

from genai_lib.data.digits import Digits, load_digits
from genai_lib.data.documentation import Documentation, load_documentation

__all__ = ["Digits", "Documentation", "load_digits", "load_documentation"]

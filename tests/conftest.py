"""What all tests share."""

from hypothesis import settings

settings.register_profile("book", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("book")

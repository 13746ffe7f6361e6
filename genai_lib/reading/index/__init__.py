"""The figures of the front page. They need no torch."""

"""The website: its Sphinx extensions, pages, scripts and style. Imports no torch.

Tests    tests/website
"""

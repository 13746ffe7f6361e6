"""The reference pages of the website: ledger, library, and the style of all pages.

Tests    tests/pages
"""

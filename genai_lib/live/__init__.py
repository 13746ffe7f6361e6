"""Figures that move on the page without a kernel.

Nothing here imports torch, so that the website is built without it.
"""

"""The engine of live figures, which move on a page without a kernel.

Nothing here imports torch, so that the website is built without it.
"""

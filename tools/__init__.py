"""The commands behind the Makefile; `python tools/book.py --help` lists them."""

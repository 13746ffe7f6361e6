# Thin names for tools/book.py, which does the work on every system.
PYTHON ?= python3
BOOK = $(PYTHON) tools/book.py

topic = $(if $(TOPIC),--topic "$(TOPIC)")
port = $(if $(PORT),--port "$(PORT)")
all = $(if $(filter-out 0,$(ALL)),--all)
file = $(if $(FILE),--file "$(FILE)")
seeds = $(if $(SEEDS),--seeds "$(SEEDS)")
scale = $(if $(SCALE),--scale "$(SCALE)")
no_serve = $(if $(filter 0 no false,$(SERVE)),--no-serve)

.PHONY: help book serve test notebooks text untext evidence stored stamp bench setup clean

help:
	@echo "make book       build the website and serve it      SERVE=0  PORT=8123"
	@echo "make test       run all tests                       TOPIC=softmax  ALL=1"
	@echo "make serve      serve the website as last built     PORT=8123"
	@echo "make notebooks  execute the notebooks that changed  TOPIC=softmax  ALL=1"
	@echo "make text       write a notebook as text to edit    TOPIC=softmax"
	@echo "make untext     write the edited text back          TOPIC=softmax"
	@echo "make evidence   measure the claims on 5 seeds       TOPIC=softmax  SEEDS=0-4"
	@echo "make stored     make again what a topic stores      TOPIC=gato  FILE=alone.safetensors"
	@echo "make stamp      write costs and the book's address into the notebooks"
	@echo "make bench      run the benchmarks                  TOPIC=softmax"
	@echo "make setup      set up .venv for all of these"
	@echo "make clean      remove what was built               ALL=1 (.venv too)"
	@echo "Another Python: make book PYTHON=python3.12"

book:
	@$(BOOK) book $(port) $(no_serve)

serve:
	@$(BOOK) serve $(port)

test:
	@$(BOOK) test $(topic) $(all)

notebooks:
	@$(BOOK) notebooks $(topic) $(all)

text untext:
	@$(BOOK) $@ --topic "$(TOPIC)"

evidence:
	@$(BOOK) evidence $(topic) $(seeds) $(scale)

stored:
	@$(BOOK) stored --topic "$(TOPIC)" $(file)

stamp:
	@$(BOOK) stamp

bench:
	@$(BOOK) bench $(topic)

setup:
	@$(BOOK) setup

clean:
	@$(BOOK) clean $(all)

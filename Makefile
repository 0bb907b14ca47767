# Entry points of the repository; each installs first what is missing. `make` lists them.
BIN := .venv/bin
export MUJOCO_GL ?= egl
# a sourced ROS 2 conflicts with the wheels in .venv
unexport PYTHONPATH AMENT_PREFIX_PATH
# set in many containers; each process would compile torch again, which takes 10 s
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint bench lock clean

help:            ## list the entry points
	@sed -n 's/^\([a-z]*\): .*## /make \1\t/p' Makefile

setup:           ## create .venv with the pinned packages
	@scripts/setup.sh

demo: setup      ## run the pipeline end to end: collect, train, evaluate over ROS, replay, verify, report
	$(BIN)/lossless demo

test: setup      ## run all tests
	$(BIN)/python -m pytest

lint: setup      ## run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup     ## measure simulator, adapters, latency and training
	$(BIN)/lossless bench all

lock: setup      ## pin requirements.in in requirements.txt
	scripts/lock.sh

clean:           ## remove the output of builds and tests (.venv stays)
	rm -rf build install log dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

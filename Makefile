# Entry points of the repository. Each sets up first what is missing; `make` alone lists them.
BIN := .venv/bin
export MUJOCO_GL ?= egl
# a sourced ROS 2 does not mix with the wheels in .venv
unexport PYTHONPATH AMENT_PREFIX_PATH

.PHONY: help setup demo test lint bench lock clean

help:            ## this list
	@sed -n 's/^\([a-z]*\): .*## /make \1\t/p' Makefile

setup:           ## make .venv with pinned packages; installs nothing twice
	@scripts/setup.sh

demo: setup      ## the main job end to end: collect, train, evaluate over ROS, replay, verify, report
	$(BIN)/lossless demo

test: setup      ## all tests
	$(BIN)/python -m pytest

lint: setup      ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup     ## measure simulator, adapters, latency and training
	$(BIN)/lossless bench all

lock: setup      ## pin requirements.in anew in requirements.txt
	scripts/lock.sh

clean:           ## remove what building and testing leave behind (.venv stays)
	rm -rf build install log dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

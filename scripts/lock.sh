#!/bin/sh
# Pin requirements.in for the Pythons and the platform of pyproject.toml's [tool.uv]; --upgrade moves all pins.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.uv/bin:$PATH"
uv pip compile --quiet --no-header --no-annotate --universal --python-version 3.10 \
    requirements.in --output-file requirements.txt "$@"
# drop the markers that all lines share
sed -i "s/ and implementation_name == .*//; s/ and python_full_version < '3.14'//; s/ ; python_full_version < '3.14'\$//" requirements.txt

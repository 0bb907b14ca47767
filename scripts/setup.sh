#!/bin/sh
# Create .venv: uv, the pinned packages, this package (editable), and system libraries for headless rendering.
# Returns quickly if nothing has changed. Called by make; needs only python3.
set -eu
cd "$(dirname "$0")/.."
UV_VERSION=0.13.9
PYTHONS='>=3.10,<3.14'
RENDERING='libegl1 libgl1-mesa-dri libgl1 libglib2.0-0'
export UV_PYTHON_DOWNLOADS="${UV_PYTHON_DOWNLOADS:-never}"
unset PYTHONPATH VIRTUAL_ENV CONDA_PREFIX

log() { echo "setup: $*" >&2; }
fail() { log "$*"; exit 1; }

apt_install() { # install Debian packages if permitted
    command -v apt-get > /dev/null || return 1
    if [ "$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2> /dev/null; then as_root='sudo -n'; else return 1; fi
    log "installing $* with apt-get"
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq"
    # shellcheck disable=SC2086
    { $apt install -y "$@" || { $apt update && $apt install -y "$@"; }; } > /dev/null
}

get_uv() { # use uv from PATH, or install it in .uv
    PATH="$PWD/.uv/bin:$PATH"
    command -v uv > /dev/null && return
    command -v python3 > /dev/null || apt_install python3 || fail "python3 is missing; run: apt-get install python3"
    log "installing uv $UV_VERSION in .uv"
    if python3 -m pip --version > /dev/null 2>&1; then
        python3 -m pip install -qq --disable-pip-version-check --target .uv "uv==$UV_VERSION"
    else
        python3 -c 'import ensurepip' 2> /dev/null || apt_install python3-venv ||
            fail "python3 has neither pip nor ensurepip; run: apt-get install python3-venv"
        rm -rf .uv
        python3 -m venv .uv
        .uv/bin/python -m pip install -qq --disable-pip-version-check "uv==$UV_VERSION"
    fi
    command -v uv > /dev/null || fail "uv $UV_VERSION could not be installed; install uv and run this again"
}

link_share() { # link the files that ROS looks for; an editable install leaves them out
    mkdir -p .venv/share/ament_index/resource_index/packages .venv/share/lossless_ros/launch .venv/lib/lossless_ros
    ln -sfn "$PWD/resource/lossless_ros" .venv/share/ament_index/resource_index/packages/lossless_ros
    for part in package.xml config launch/*; do ln -sfn "$PWD/$part" ".venv/share/lossless_ros/$part"; done
    for node in scripts/ros2run/*; do ln -sfn "../../bin/$(basename "$node")" ".venv/lib/lossless_ros/"; done
}

renders() { # test that OpenCV loads and MuJoCo renders without a screen
    MUJOCO_GL="${MUJOCO_GL:-egl}" .venv/bin/python -c \
        'import cv2, mujoco; mujoco.GLContext(16, 16).make_current()' > /dev/null 2>&1
}

stamp=.venv/.setup-done
wanted=$(echo "$PWD" | cat - requirements.txt setup.py scripts/setup.sh | cksum)
[ "$(cat $stamp 2> /dev/null)" = "$wanted" ] && [ -x .venv/bin/lossless ] && exit 0

get_uv
if ! .venv/bin/python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2> /dev/null; then
    uv python find --quiet --system "$PYTHONS" > /dev/null 2>&1 ||
        fail "no Python $PYTHONS found; install one (apt-get install python3, or uv python install 3.12)"
    log "creating .venv"
    rm -rf .venv
    uv venv --quiet --python "$PYTHONS" .venv
fi
log "installing the pinned packages (3 GB to download the first time)"
uv pip install --python .venv/bin/python --no-deps --requirement requirements.txt
uv pip install --python .venv/bin/python --quiet --no-deps --no-build-isolation --editable .
link_share
if ! renders; then
    # shellcheck disable=SC2086
    { apt_install $RENDERING && renders; } || fail "headless rendering needs system libraries; run: apt-get install $RENDERING"
fi
echo "$wanted" > $stamp
log "done; try: make demo"

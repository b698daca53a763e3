#!/usr/bin/env bash
# Do on this machine what a GPU machine will do, without a network, in a copy of the tree:
#   rehearse.sh PYTHON SECONDS BACKEND [OPTION OF train.py ...]
# PYTHON is one with PyTorch or JAX, OpenCV, h5py and NumPy, and without Keras, such as the other has;
# pack for it first: PYTHON_VERSION=3.11 bundle.sh ...
set -euo pipefail
programs=$(dirname "$(realpath -s "$1")")
shift
cd "$(dirname "$0")/../../../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy" /tmp/mltu-site /tmp/mltu-pack /tmp/mltu-state /tmp/mltu-jax' EXIT
{ git ls-files -co --exclude-standard; find .gpu -type f; } | tar -cf - -T - | tar -xf - -C "$copy"
du -sh "$copy"
mkdir "$copy/.out"
cd "$copy"
env -i HOME="$copy" PATH="$programs:/usr/bin:/bin" OUT="$copy/.out" CHUNKS="${CHUNKS:-1}" PROCESSES="${PROCESSES:-2}" \
    unshare -rn bash Tutorials/07_words_from_fonts/reader/gpu/run.sh "$@"
ls -l .out

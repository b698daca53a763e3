#!/usr/bin/env bash
# Train on a machine with a GPU for some minutes, from what bundle.sh packed:
#   run.sh SECONDS BACKEND [OPTION OF train.py ...]
# BACKEND is torch or jax. The environment may have CHUNKS, how many are in a batch, and CHECK, several
# such numbers to be timed first. The state is written into $OUT every minute; the next call resumes it.
set -euo pipefail
begin=$(date +%s)
seconds=$1 backend=$2
shift 2
processes=${PROCESSES:-$(($(nproc) - 1))}  # before OMP_NUM_THREADS, which nproc heeds
cd "$(dirname "$0")/../../../.."
here=Tutorials/07_words_from_fonts/reader
site=/tmp/mltu-site pack=/tmp/mltu-pack kept=/tmp/mltu-state  # outside of what each call replaces
if [ ! -d "$site" ]; then
    python3 -m pip install -q --root-user-action=ignore --no-index --no-deps --no-compile --no-cache-dir --target "$site.part" .gpu/whl/*.whl
    mv "$site.part" "$site"
fi
[ -d "$pack" ] || cp -r .gpu/pack "$pack"
start=()
if [ -d "$kept" ]; then
    cp -r "$kept"/* "$OUT"
elif [ -d .gpu/start ]; then
    start=(--start .gpu/start)
fi
export CHUNKS=${CHUNKS:-32}
export PYTHONPATH=$site:$PWD PYTHONUNBUFFERED=1 KERAS_BACKEND=$backend
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1  # the cores are there to draw
export XLA_PYTHON_CLIENT_MEM_FRACTION=0.6 JAX_COMPILATION_CACHE_DIR=/tmp/mltu-jax
nvidia-smi --query-gpu=name,memory.total --format=csv,noheader 2>/dev/null || echo "no nvidia-smi"
if [ ! -d "$kept" ]; then
    PYTHONPATH=$PYTHONPATH:$here python3 -c \
        "from images import *; from pathlib import Path; make_images(Path('$pack'), 32)" &  # unpacks
    python3 "$here/gpu/check.py" ${CHECK:-$CHUNKS}
    wait $!
fi
left=$((seconds - $(date +%s) + begin))
status=0
python3 "$here/train.py" --output "$OUT" --seconds "$left" --pack "$pack" \
    --processes "$processes" --chunks "$CHUNKS" "${start[@]}" "$@" \
    2> >(tee "$OUT/errors.log" >&2) || status=$?
if compgen -G "$OUT/state-*" > /dev/null; then  # also of a run that failed later
    rm -rf "$kept" && mkdir "$kept"
    cp -r "$OUT"/state-* "$kept"/
fi
exit $status

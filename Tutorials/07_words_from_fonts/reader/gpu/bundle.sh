#!/usr/bin/env bash
# Put into .gpu/ what a machine needs that has PyTorch or JAX, but neither Keras nor a network:
#   bundle.sh PACK [RUN]
# PACK holds texts.pack and atlas.pack; RUN is a run whose weights are the start.
set -euo pipefail
python_version=${PYTHON_VERSION:-3.12}  # of that machine
cd "$(dirname "$0")/../../../.."
pack=$1 run=${2:-}
rm -rf .gpu
mkdir -p .gpu/whl .gpu/pack
platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' 28 27 24 17 12 5)
for package in keras==3.15.1 namex==0.1.0 optree==0.20.0 rapidfuzz==3.14.6 rich==15.0.0; do
    python3 -m pip download -q --no-deps --only-binary=:all: --implementation cp \
        --python-version "$python_version" $platforms --platform manylinux2014_x86_64 \
        -d .gpu/whl "$package"
done
cp "$pack"/{texts,atlas}.pack .gpu/pack/
if [ -n "$run" ]; then
    mkdir .gpu/start
    python3 - "$(ls -d "$run"/state-* | tail -n 1)" <<'END'
import sys
import numpy as np

for name in ("weights.npz", "average.npz"):  # in half precision, to stay within what may travel
    arrays = np.load(f"{sys.argv[1]}/{name}").values()
    halves = [x.astype(np.float16) if x.dtype == np.float32 else x for x in arrays]
    np.savez(f".gpu/start/{name}", *halves)
END
fi
git ls-files -z | xargs -0 du -ch | tail -1
du -shc .gpu/*  # both together must stay below 64 MiB

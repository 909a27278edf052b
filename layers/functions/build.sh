#!/usr/bin/env bash
# Builds dist/, the layer that every function carries: our code, the locked packages for the platform, and bytecode.
# doctl runs it in this directory before it builds functions; it sees nothing outside of it but rythmiq_src.
#   PYTHON=...         an interpreter with pip; default python3
#   WITH_POSTGRES=yes  adds psycopg, for functions that are given DATABASE_URL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python3}
lock=requirements.txt
if [ "${WITH_POSTGRES:-no}" = yes ]; then lock=requirements-postgres.txt; fi
packages=dist/virtualenv/lib/python3.11/site-packages

rm -rf dist
mkdir -p dist/rythmiq dist/virtualenv/bin
tar -C rythmiq_src -h --exclude=__pycache__ --exclude=./client -cf - . | tar -C dist/rythmiq -xf -
cp activate_this.py dist/virtualenv/bin/
if [ -d page/dist ]; then cp -R page/dist dist/rythmiq/page; else echo "build.sh: no page/dist (make page): /app will say so" >&2; fi
"$python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
    --only-binary=:all: --platform manylinux2014_x86_64 --implementation cp --python-version 3.11 \
    --target "$packages" -r "$lock"
# Of botocore only the signer is used: its descriptions of every service are 27 MB. The rest nothing imports at run time.
rm -rf "$packages/bin" "$packages/botocore/data" "$packages/botocore/docs" "$packages/botocore/cacert.pem" \
    "$packages/cffi" "$packages/dateutil/zoneinfo"/*.tar.gz "$packages/pycparser" "$packages/pydantic/v1"
# RECORD lists scripts that are deleted, with hashes that depend on the path of the interpreter that installed them.
find "$packages" \( -name RECORD -o -name '*.pyi' -o -name '*.h' \) -type f -delete
find dist -name __pycache__ -type d -prune -exec rm -rf {} +

# The platform's file system is read-only, so what is not compiled here is compiled at every cold start, at twice the CPU.
compiler=
for candidate in "${PYTHON311:-}" "$python" python3.11; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
        compiler=$candidate
        break
    fi
done
if [ -z "$compiler" ]; then
    echo "build.sh: no Python 3.11 here (name one with PYTHON311), so there is no bytecode: cold starts take twice the CPU" >&2
    exit 0
fi
"$compiler" -I -m compileall -q --invalidation-mode unchecked-hash dist/rythmiq "$packages"

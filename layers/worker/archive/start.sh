#!/bin/sh
# Rythmiq One, the worker in one file. What follows these lines is a ZIP archive, which Python runs as it lies.
#   sh FILE USER_ID JOB_ID ATTEMPT      run one attempt, with what the file worker.env beside this one says
#   sh FILE --unpack DIRECTORY          unpack for good, and no more
# It needs CPython 3.11 on Linux (x86_64, glibc 2.28 or later) and room in TMPDIR. RYTHMIQ_PYTHON names an interpreter.
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
export PATH
unset PYTHONHOME PYTHONPATH
is_311='import sys; sys.exit(sys.implementation.name != "cpython" or sys.version_info[:2] != (3, 11))'
look() {
    if [ -x "$1" ] && [ ! -d "$1" ] && "$1" -I -S -c "$is_311" </dev/null >/dev/null 2>&1; then
        python=$1
    fi
}
python=
if [ -n "${RYTHMIQ_PYTHON:-}" ]; then
    look "$RYTHMIQ_PYTHON"
else
    for name in python3.11 python3 python; do
        rest=$PATH:/usr/local/bin:/usr/bin:/opt/conda/bin:/opt/python/cp311-cp311/bin:
        while [ -z "$python" ] && [ -n "$rest" ]; do
            look "${rest%%:*}/$name"
            rest=${rest#*:}
        done
    done
fi
if [ -z "$python" ]; then
    echo '{"event":"misconfigured","problems":"no CPython 3.11 was found on PATH or in the usual places; name one in RYTHMIQ_PYTHON"}' >&2
    exit 78
fi
exec "$python" -I -S -B "$0" "$@"

# Is .venv what the lock files say? Read (`. environment.sh`) by the launchers beside it, which then call
#   environment serve    the service and its embedded PostgreSQL
#   environment test     these and the test tools
#   environment scorecard    the service and labelled data
#   environment tracing      the service and what sends traces
# It needs nothing but a POSIX shell and Python 3.11 or newer, changes nothing when all is well, and may run
# several times at once. `root` is the checkout, `python` the interpreter to use afterwards.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
python=$root/.venv/bin/python

environment() {
    is_ready "$1" && return
    exec 9<"$root/requirements.lock" # locked until we are done or dead
    base=$(find_python) || exit 3
    "$base" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    if ! is_ready "$1"; then
        (set_up "$1") || {
            echo "Could not set up $root/.venv; the lines above say why. The same command tries again." >&2
            exit 3
        }
    fi
    exec 9<&-
}

# It names the checkout too: a moved one has scripts and links that lead to the old place.
stamp() {
    echo "$root"
    cat "$root/requirements.lock" "$root/scripts/embedded.lock" "$root/tests/requirements.lock" \
        "$root/scripts/scorecard.lock" "$root/scripts/tracing.lock" "$root/pyproject.toml" | cksum
}

is_ready() {
    [ -x "$python" ] && [ -r "$root/.venv/ready-to-$1" ] &&
        [ "$(stamp)" = "$(cat "$root/.venv/ready-to-$1")" ]
}

# The system's own is preferred: distributions build theirs by profile (PGO), which makes the ledger a quarter faster
# than one built without, as version managers do.
find_python() {
    bare= system=
    case :$PATH: in *:/usr/bin:*) system=/usr/bin/python3 ;; esac
    for candidate in ${PYTHON:+"$PYTHON"} $system python3 python3.14 python3.13 python3.12 python3.11 python; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        "$candidate" -c 'import ensurepip, venv' 2>/dev/null && command -v "$candidate" && return
        bare=$candidate
    done
    if [ -n "$bare" ]; then
        echo "$bare cannot make virtual environments: install its venv package (Debian: python3-venv)." >&2
    else
        echo "Python 3.11 or newer is needed, and none is on PATH. Install one, or name it: PYTHON=/path/to/python3 $0" >&2
    fi
    return 1
}

set_up() {
    cd "$root" || return
    echo "Setting up $root/.venv; this takes a minute, once." >&2
    if [ "$(cat .venv/made-in 2>/dev/null)" != "$root" ] || ! "$python" -m pip --version >/dev/null 2>&1; then
        "$base" -m venv --clear .venv >&2 && echo "$root" >.venv/made-in || return
    fi
    for done in .venv/ready-to-*; do # half-done must not look done
        [ "$(stamp)" = "$(cat "$done" 2>/dev/null)" ] || rm -f "$done"
    done
    wanted=$1
    set -- install -qq --disable-pip-version-check --no-input --no-deps
    "$python" -m pip "$@" --require-hashes --only-binary :all: \
        --requirement requirements.lock --requirement scripts/embedded.lock >&2 || return
    case $wanted in
    test) more=tests/requirements.lock ;;
    scorecard) more=scripts/scorecard.lock ;;
    tracing) more=scripts/tracing.lock ;;
    *) more= ;;
    esac
    if [ -n "$more" ]; then
        "$python" -m pip "$@" --require-hashes --only-binary :all: --requirement "$more" >&2 || return
    fi
    "$python" -m pip "$@" --no-build-isolation --editable . >&2 || return
    for done in serve $wanted; do
        stamp >.venv/stamp && mv .venv/stamp ".venv/ready-to-$done" || return
    done
}

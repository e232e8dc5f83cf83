# What the scripts of tests/see have in common, on top of tests/mount/lib.sh.
# shellcheck shell=bash
SEE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/mount/lib.sh
. "$SEE/../mount/lib.sh"
WORK=${WORK:-$ROOT/build/tests/see/see-work}
PROGS=${PROGS:-$ROOT/build/progs}
URL=
exporter=
loader=
# eBPF programs of other tests are not to run here, nor to be seen.
export BTFUSE_WORLD=$NAME

clear_see() {
	kill "$exporter" "$loader" "$@" 2>/dev/null || true
	wait 2>/dev/null || true
}

put_right() {
	clear_see
}

# load_programs FILE: in the background, until they are attached.
load_programs() {
	"$BTFUSE" load --name "$NAME-bpf" "$PROGS/$1" >"$T/load" 2>&1 &
	loader=$!
	eventually grep -qs attached "$T/load" || die "$1 is not loaded: $(cat "$T/load")"
}

unload_programs() {
	"$BTFUSE" load --stop "$NAME-bpf"
	wait "$loader" || die "the loader's status is $?"
	loader=
}

# Starts an exporter on a port that is free; its address is $URL then, without the last slash.
start_exporter() {
	"$BTFUSE" exporter --listen 127.0.0.1:0 >"$T/exporter" 2>&1 &
	exporter=$!
	eventually grep -qs listening "$T/exporter" || die "the exporter does not start: $(cat "$T/exporter")"
	URL=$(sed -n 's|.*\(http://.*\)/$|\1|p' "$T/exporter")
}

# value NAME [LABEL=VALUE]...: the sum of this mount's samples.
value() {
	python3 "$SEE/scrape.py" "$URL/metrics" "$1" "mount=$NAME" "${@:2}"
}

# For a wait: the value is at least N.
reached() {
	[ "$(value "${@:2}")" -ge "$1" ]
}

# get METHOD PATH [HEADER:VALUE]...: the reply is in $T/reply: a line with status and type, then the body.
get() {
	python3 "$SEE/ask.py" "$1" "$URL$2" "${@:3}" >"$T/reply"
}

# status WHAT: of the last reply, its first line, from its beginning.
status() {
	head -n 1 "$T/reply" | grep -q "^$1" || die "$1 was expected, not $(head -n 1 "$T/reply")"
}

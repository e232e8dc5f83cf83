# What the scripts of tests/see have in common, on top of tests/mount/lib.sh.
# shellcheck shell=bash
SEE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/mount/lib.sh
. "$SEE/../mount/lib.sh"
WORK=${WORK:-$ROOT/build/tests/see/see-work}
WORK_KILLER=${WORK_KILLER:-$ROOT/build/tests/see/see-kill-in-txn}
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

# load_programs FILE [OPTION...]: in the background, until they are attached.
load_programs() {
	rm -f "$T/load" # one of before would be taken for its words
	"$BTFUSE" load --name "$NAME-bpf" "${@:2}" "$PROGS/$1" >"$T/load" 2>&1 &
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

# ops PATH: "OP OK FAILED" a line, of the operations that the load makes. PATH: a regular expression.
ops() {
	python3 "$SEE/scrape.py" "$URL/metrics" | awk -v "p=$1" -v "m=$NAME" '
		$1 ~ "^btfuse_operations_total.*mount=\"" m "\".*path=\"(" p ")\"" {
			match($1, /op="[a-z]*"/); op = substr($1, RSTART + 4, RLENGTH - 5)
			if ($1 ~ /result="ok"/) ok[op] += $2; else failed[op] += $2
		}
		$1 ~ "^btfuse_io_bytes_total.*mount=\"" m "\".*path=\"(" p ")\"" {
			ok[$1 ~ /direction="read"/ ? "bytes_read" : "bytes_written"] += $2
		}
		END { for (op in ok) print op, ok[op] + 0, failed[op] + 0 }' | sort
}

# same BEFORE AFTER EXPECTED [OP]...: the difference is what was expected (of these operations; none: all).
same() {
	awk -v "only=${*:4}" '
		BEGIN { n = split(only, list, " "); for (i = 1; i <= n; i++) wanted[list[i]] = 1 }
		FILENAME == ARGV[1] { ok[$1] = $2; failed[$1] = $3 }
		FILENAME == ARGV[2] { ok[$1] = $2 - ok[$1]; failed[$1] = $3 - failed[$1] }
		FILENAME == ARGV[3] && (n == 0 || $1 in wanted) {
			seen++
			if (ok[$1] != $2 || failed[$1] != $3) {
				printf "%s: %d ok, %d failed are counted, %d and %d were made\n", $1, ok[$1], failed[$1], $2, $3
				bad = 1
			}
		}
		END { exit bad || !seen || (n && seen != n) }' "$1" "$2" "$3" || die "the counters of ${2##*/} are wrong"
}

# What the kernel may keep of a name that was absent makes some of the calls ask the daemon.
# shellcheck disable=SC2034 # for who calls ops
hooked='process|ring'

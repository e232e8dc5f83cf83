#!/bin/bash
# A million names in one directory and two million inodes: nothing gets slower
# than the logarithm, all is listed once, and all is gone in the end.
. "$(dirname "$0")/lib.sh"
mount_fs --size 4G --inodes 3000000
mkdir "$M/d" "$M/e"

# Milliseconds that a command takes.
clock() {
	local start
	start=$(date +%s%N)
	"$@"
	echo $((($(date +%s%N) - start) / 1000000))
}

first=$(clock "$HELPERS/repeat" create 20000 "$M/d/a")
say "the first 20,000 files: $first ms"
say "the next million: $(clock "$HELPERS/repeat" create 1000000 "$M/d/b") ms"
last=$(clock "$HELPERS/repeat" create 20000 "$M/d/c")
say "the last 20,000: $last ms"
[ "$last" -lt $((first * 3 + 200)) ] || die "names get slow in a large directory"
say "$(($(pool_memory) / 1040000)) bytes each"
clean
list() {
	find "$M/d" -type f -printf '%f\n' >"$T/names"
}
say "listing: $(clock list) ms"
[ "$(wc -l <"$T/names")" = 1040000 ] || die "$(wc -l <"$T/names") names are listed"
[ -z "$(sort "$T/names" | uniq -d | head -1)" ] || die "names are listed twice"
mv "$M/d" "$M/e/d"
say "removing: $(clock rm -r "$M/e/d") ms"
[ "$(stat -f -c '%c %d' "$M" | awk '{ print $1 - $2 }')" -le 4 ] || die "inodes are left"

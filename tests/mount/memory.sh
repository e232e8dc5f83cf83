#!/bin/bash
# Memory is taken when used and given back when freed; an empty file takes at
# most 400 bytes of it, all told.
. "$(dirname "$0")/lib.sh"
mount_fs --size 1G --inodes 400000
mib=$((1024 * 1024))
# Freed memory that may be held for the next to come.
kept=$((72 * mib))

below() {
	[ "$(pool_memory)" -lt "$1" ]
}

empty=$(pool_memory)
say "an empty pool: $((empty / 1024)) KiB"
[ "$empty" -lt $((32 * mib)) ] || die "an empty pool takes $((empty / mib)) MiB"

say "100,000 files in a directory"
mkdir "$M/d"
before=$(pool_memory)
"$HELPERS/repeat" create 100000 "$M/d/" # names of 12 bytes
after=$(pool_memory)
each=$(((after - before) / 100000))
say "$each bytes each"
[ "$each" -le 400 ] || die "an empty file takes $each bytes"
[ "$(find "$M/d" -type f | wc -l)" = 100000 ] || die "names are missing"
clean
rm -r "$M/d"
eventually below $((empty + kept)) || die "deleted, but $(($(pool_memory) / mib)) MiB are taken"

say "a file of 400 MiB"
dd if=/dev/zero of="$M/big" bs=1M count=400 status=none
[ "$(pool_memory)" -ge $((400 * mib)) ] || die "400 MiB written, $(($(pool_memory) / mib)) MiB taken"
[ "$(pool_memory)" -le $((empty + 420 * mib)) ] || die "400 MiB written, $(($(pool_memory) / mib)) MiB taken"
rm "$M/big"
eventually below $((empty + kept)) || die "deleted, but $(($(pool_memory) / mib)) MiB are taken"

say "holes"
dd if=/dev/zero of="$M/big" bs=1M count=200 status=none
fallocate -p -o 0 -l 190M "$M/big"
eventually below $((empty + kept + 12 * mib)) || die "punched, but $(($(pool_memory) / mib)) MiB are taken"
rm "$M/big"

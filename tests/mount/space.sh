#!/bin/bash
# A full file system: of data, of inodes, of names. Nothing that was there is
# hurt, and after deleting all the space is back.
. "$(dirname "$0")/lib.sh"
mount_fs --size 16M --inodes 2000
cd "$M"

free_blocks() {
	stat -f -c %f .
}

free_inodes() {
	stat -f -c %d .
}

# Fails as it must: for want of space, and for nothing else.
no_space() {
	if "$@" 2>"$T/err"; then
		die "succeeded though full: $*"
	fi
	grep -q 'No space left on device' "$T/err" || die "$*: $(cat "$T/err")"
}

blocks=$(free_blocks)
inodes=$(free_inodes)
[ "$(df -B1 --output=size . | tail -1)" -ge 15000000 ] || die "df shows $(df -B1 .)"
head -c 1000000 /dev/urandom >keep
sum=$(sha256sum <keep)

say "full of data"
no_space dd if=/dev/zero of=fill bs=64k count=1000
# What was written before the end is there and readable.
[ "$(stat -c %s fill)" -gt 10000000 ] || die "only $(stat -c %s fill) bytes went in"
cat fill >/dev/null
for ((i = 0; i < 10; i++)); do
	no_space dd if=/dev/zero of=fill bs=64k count=100 conv=notrunc oflag=append
done
no_space fallocate -l 15M more
[ "$(sha256sum <keep)" = "$sum" ] || die "keep is damaged"
used=$((blocks - $(free_blocks)))
[ "$(free_blocks)" -lt 64 ] || die "full, but $(free_blocks) blocks are free"
say "$used of $blocks blocks used"
mv keep kept
mv kept keep
clean
rm -f fill more
eventually test "$(free_blocks)" -ge $((blocks - 300)) || die "$(free_blocks) of $blocks blocks are free after rm"

say "full of data, in small files"
i=0
while head -c 5000 /dev/zero >"small$i" 2>/dev/null; do
	i=$((i + 1))
	[ "$i" -lt 5000 ] || die "16 MiB never fill"
done
say "$i files of 5000 bytes"
clean
[ "$(sha256sum <keep)" = "$sum" ] || die "keep is damaged"
rm -f small*

say "full of inodes"
mkdir d
i=0
while : 2>/dev/null >"d/$i"; do
	i=$((i + 1))
	[ "$i" -lt 3000 ] || die "more than 2000 inodes"
done 2>/dev/null
[ "$i" -gt 1900 ] || die "only $i inodes went in"
no_space mkdir e
no_space ln -s x f
no_space mkfifo g
[ "$(find d -type f | wc -l)" = "$i" ] || die "names are missing"
[ "$(free_inodes)" -lt 16 ] || die "full, but $(free_inodes) inodes are free"
ln keep hard # a name needs no inode
rm hard
clean
rm -r d

say "full of names"
mkdir d
long=$(printf 'n%.0s' {1..240})
i=0
while ln keep "d/$long$i" 2>"$T/err"; do
	i=$((i + 1))
	[ "$i" -lt 200000 ] || break
done
say "$i names of 240 bytes"
clean
[ "$(sha256sum <keep)" = "$sum" ] || die "keep is damaged"
rm -r d keep

say "all is back"
[ "$(free_inodes)" = "$inodes" ] || die "$(free_inodes) of $inodes inodes are free"
[ "$(free_blocks)" -ge $((blocks - 16)) ] || die "$(free_blocks) of $blocks blocks are free"
dd if=/dev/urandom of=again bs=1M count=14 status=none

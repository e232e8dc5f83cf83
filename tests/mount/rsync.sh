#!/bin/bash
# rsync -aHAX of a tree with everything in it that a tree can have, onto the
# mount and back: a further rsync then finds nothing to do in either direction.
. "$(dirname "$0")/lib.sh"

make_tree() {
	mkdir -p "$1/dir/sub" "$1/empty" "$1/setgid"
	cd "$1"
	echo plain >plain
	ln plain hard1
	ln plain dir/hard2
	ln -s plain link
	ln -s /nowhere/at/all dangling
	head -c 3000000 /dev/urandom >dir/big
	truncate -s 300M sparse
	printf middle | dd of=sparse bs=1 seek=150000000 conv=notrunc status=none
	mkfifo fifo
	echo x >"$(printf 'odd \001\377\nname')"
	echo old >old
	touch -d '1999-12-31 23:59:59.123456789' old
	chmod 2775 setgid
	chmod 4755 plain
	echo acl >acl
	setfacl -m u:12345:rw,g:23456:r acl
	setfacl -d -m u:12345:rwx dir
	setfattr -n user.colour -v green dir/big
	setfattr -n user.empty dir
	if is_root; then
		mknod null c 1 3
		mknod loop b 7 200
		setfattr -n trusted.secret -v 42 plain
		chown 1234:5678 dir/big
		chown -h 1234:5678 link
	fi
	cd /
}

# same FROM TO: rsync would change nothing, checksums compared.
same() {
	local out
	out=$(rsync -@-1 -aHAXSnic --delete "$1/" "$2/")
	[ -z "$out" ] || die "$1 and $2 differ: $out"
}

make_tree "$T/from"
mount_fs
# -S makes holes again; -@-1 has times compared to the nanosecond.
rsync -@-1 -aHAXS "$T/from/" "$M/to/"
same "$T/from" "$M/to"
same_trees "$T/from" "$M/to"
[ "$(du -k "$M/to/sparse" | cut -f1)" -lt 1024 ] || die "the sparse file is not sparse on the mount"
rsync -@-1 -aHAXS "$M/to/" "$T/back/"
same "$M/to" "$T/back"
same_trees "$T/from" "$T/back"

for f in acl dir; do
	diff <(cd "$T/from" && getfacl -n "$f") <(cd "$M/to" && getfacl -n "$f") || die "the ACLs of $f differ"
done
[ "$(getfattr --only-values -n user.colour "$M/to/dir/big")" = green ] || die "user.colour is lost"
[ "$(stat -c %h "$M/to/plain")" = 3 ] || die "hard links are lost"

say "a second run with changes"
echo more >>"$T/from/dir/big"
rm "$T/from/old"
mv "$T/from/dir/hard2" "$T/from/dir/hard3"
rsync -@-1 -aHAXS --delete "$T/from/" "$M/to/"
same "$T/from" "$M/to"
rsync -@-1 -aHAXS --inplace --no-whole-file --delete "$T/from/" "$M/to/"
same "$T/from" "$M/to"

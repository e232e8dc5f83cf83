#!/bin/bash
# The daemon is killed (-9): everything that any call had acknowledged is there
# when the same name is mounted again. With the dead mount cleared away first,
# with the dead mount still in place, at rest and under load.
. "$(dirname "$0")/lib.sh"

kill_daemon() {
	local pid
	pid=$(daemon_pid)
	kill -9 "$pid"
	gone "$pid"
}

mount_fs --size 512M
mkdir -p "$M/tree/sub"
head -c 5000000 /dev/urandom >"$M/tree/big"
echo small >"$M/tree/small"
ln "$M/tree/small" "$M/tree/sub/hard"
ln -s small "$M/tree/link"
setfattr -n user.mark -v 7 "$M/tree/small"
chmod 0640 "$M/tree/small"
touch -d '2001-02-03 04:05:06.789' "$M/tree/small"
cp -a "$M/tree" "$T/want"

say "killed at rest, dead mount cleared away by umount"
kill_daemon
[ -e "$(pool_file)" ] || die "the pool is gone with its daemon"
timeout 30 "$BTFUSE" status | grep "$NAME" >/dev/null || die "status does not tell of the left pool"
timeout 30 "$BTFUSE" fsck --name "$NAME" || die "fsck of the left pool"
timeout 30 "$BTFUSE" fsck "$M" || die "fsck does not find what the dead mount held"
timeout 30 "$BTFUSE" umount "$M"
mounted && die "the dead mount is still there"
mount_fs
same_trees "$T/want" "$M/tree"
[ "$(getfattr --only-values -n user.mark "$M/tree/small")" = 7 ] || die "the xattr is lost"
clean

say "killed at rest, dead mount still on the directory"
kill_daemon
if stat "$M/tree" 2>/dev/null; then die "a dead mount answers"; fi
mount_fs
[ "$(grep -c " $M " /proc/self/mountinfo)" = 1 ] || die "the dead mount still lies underneath"
same_trees "$T/want" "$M/tree"

say "killed with files open and unlinked: their space comes back"
exec 7>"$M/open"
head -c 50000000 /dev/zero >&7
rm "$M/open"
kill_daemon
exec 7>&- || true
mount_fs
eventually test "$(du -k "$M" | tail -1 | cut -f1)" -lt 20000
[ "$(df -k --output=used "$M" | tail -1)" -lt 20000 ] || die "the unlinked file still takes space: $(df -k "$M")"

# Each worker notes a step after the mount has acknowledged it.
worker() {
	local i
	for ((i = 0; ; i++)); do
		echo "content $i" >"$M/$1.new" || break
		mv "$M/$1.new" "$M/$1.$i" || break
		echo "$i" >"$T/ack.$1"
		mkdir "$M/$1.d$i" || break
		echo "$i" >"$T/ackd.$1"
		if ((i >= 20)); then
			rm "$M/$1.$((i - 20))" || break
			echo "$((i - 20))" >"$T/ackr.$1"
		fi
	done
} 2>/dev/null

for round in 1 2 3 4 5; do
	say "killed under load, round $round"
	rm -rf "$M"/[abc].* "$T"/ack*
	pids=
	for w in a b c; do
		worker "$w" &
		pids="$pids $!"
	done
	sleep "0.$((round * 3))"
	kill_daemon
	for p in $pids; do wait "$p" || true; done
	mount_fs
	clean
	for w in a b c; do
		acked=$(cat "$T/ack.$w" 2>/dev/null || echo -1)
		removed=$(cat "$T/ackr.$w" 2>/dev/null || echo -1)
		for ((i = removed + 2; i <= acked; i++)); do
			[ "$(cat "$M/$w.$i")" = "content $i" ] || die "$w.$i was acknowledged and is lost"
		done
		for ((i = 0; i <= removed; i++)); do
			[ ! -e "$M/$w.$i" ] || die "$w.$i was removed and is back"
		done
		acked=$(cat "$T/ackd.$w" 2>/dev/null || echo -1)
		for ((i = 0; i <= acked; i++)); do
			[ -d "$M/$w.d$i" ] || die "directory $w.d$i was acknowledged and is lost"
		done
	done
	same_trees "$T/want" "$M/tree"
	say "up to $acked steps were acknowledged"
done

#!/bin/bash
# node.js under `bt-fuse run` (node.js beside this), on the mount and on a tmpfs beside it: the same output, the same trees.
. "$(dirname "$0")/../mount/lib.sh"

NODE=$(PATH=/usr/bin:$PATH command -v node) || die "node is not there: tools/setup"
script=$(dirname "$0")/node.js
plain=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
put_right() {
	rm -rf "$plain"
}
mount_fs
timeout 100 "$NODE" "$script" "$plain" >"$T/plain" 2>&1 || die "fails on tmpfs: $(tail -20 "$T/plain")"
timeout 100 "$BTFUSE" run --stats --mount "$M" -- "$NODE" "$script" "$M" >"$T/run" 2>"$T/stats" || die "fails: $(tail -20 "$T/run" "$T/stats")"
diff <(sed "s,$plain,DIR,g" "$T/plain") <(sed "s,$M,DIR,g" "$T/run") || die "another result than on tmpfs"
# What is seen through the kernel is the same, but for the name that mkdtemp made and the order in which threads appended.
show() {
	find . -mindepth 1 -printf '%P %y %m %n %l\n' | sed 's/tmp-...... d/tmp-X d/' | sort
	sort k/log
	find . -type f ! -path ./k/log -print0 | sort -z | xargs -0 sha256sum
}
diff <(cd "$plain" && show) <(cd "$M" && show) || die "the mount shows others"
grep answered "$T/stats"

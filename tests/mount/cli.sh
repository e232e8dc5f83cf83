#!/bin/bash
# Mistakes: each gets one line that says what to do, a non-zero status, and
# leaves nothing behind. And what the commands print when all is well.
. "$(dirname "$0")/lib.sh"
bt() {
	"$BTFUSE" "$@"
}

say "mistakes on the command line"
refused 'help' "$BTFUSE"
refused 'mount' "$BTFUSE" mont
refused 'unknown|invalid|option' "$BTFUSE" mount --bogus "$M"
refused 'DIR' "$BTFUSE" mount
refused '.' "$BTFUSE" mount "$M" "$T"
refused 'size' "$BTFUSE" mount --size 12Q "$M"
refused 'size' "$BTFUSE" mount --size -5 "$M"
refused 'size' "$BTFUSE" mount --size 0 "$M"
refused 'size' "$BTFUSE" mount --size '' "$M"
refused 'size' "$BTFUSE" mount --size 99999999999999999999999 "$M"
refused 'size|memory' "$BTFUSE" mount --size 1000T "$M"
refused 'inodes' "$BTFUSE" mount --inodes none "$M"
refused 'inodes' "$BTFUSE" mount --inodes 0 "$M"
refused 'name' "$BTFUSE" mount --name ../../etc/passwd "$M"
refused 'name' "$BTFUSE" mount --name '' "$M"
refused 'name' "$BTFUSE" mount --name "$(printf 'n%.0s' {1..64})" "$M"
refused 'allow_ohter.*allow_other' "$BTFUSE" mount -o allow_ohter "$M"
refused 'fsname=' "$BTFUSE" mount -o subtype=foo "$M" # umount and status would not know it
refused 'without a value' "$BTFUSE" mount -o fsname= "$M"
refused "$T/none" "$BTFUSE" mount "$T/none"
refused 'not a directory' "$BTFUSE" mount "$T/owner"
refused '.' "$BTFUSE" mount ''
refused 'DIR' "$BTFUSE" umount
refused 'not a mount' "$BTFUSE" umount "$M"
refused '.' "$BTFUSE" umount "$T/none"
refused 'DIR' "$BTFUSE" fsck
refused "." "$BTFUSE" fsck "$M"
refused "." "$BTFUSE" fsck --name "$NAME"
refused '.' "$BTFUSE" status nonsense
refused '.' "$BTFUSE" help nonsense
[ -z "$(daemon_pid)" ] || die "a daemon is left"
mounted && die "a mount is left"

say "what is in use"
mount_fs --size 64M --inodes 5000
refused 'already mounted|busy' "$BTFUSE" mount "$M"
mkdir "$T/second"
refused "in use|already|taken" "$BTFUSE" mount --name "$NAME" "$T/second"
mounted "$T/second" && die "a second mount of one name"

say "status"
bt status | grep "$NAME" >/dev/null || die "status does not show the mount"
bt status | grep "$M" >/dev/null || die "status does not show the directory"
bt status --json >"$T/json"
python3 - "$T/json" "$NAME" "$M" <<'END'
import json, sys
text = open(sys.argv[1]).read()
found = []
def walk(x):
    if isinstance(x, dict):
        if x.get("name") == sys.argv[2]: found.append(x)
        for v in x.values(): walk(v)
    elif isinstance(x, list):
        for v in x: walk(v)
walk(json.loads(text))
assert len(found) == 1, found
m = found[0]
assert sys.argv[3] in m.values(), m
assert 64 << 20 in m.values(), m
assert any(isinstance(v, int) and 5000 <= v <= 5100 for v in m.values()), m # rounded up to whole blocks
END
bt fsck "$M" | grep -q clean || die "fsck does not say that it is clean"
bt help | grep -q fsck || die "help does not list fsck"
bt --version | grep '[0-9]' >/dev/null || die "no version"
for verb in mount umount status fsck; do
	bt "$verb" --help | grep "$verb" >/dev/null || die "$verb --help"
done

say "output that nobody takes"
if bt status >/dev/full 2>"$T/err"; then die "status is content with a full device"; fi
[ "$(wc -l <"$T/err")" = 1 ] || die "not one line: $(cat "$T/err")"

say "options"
umount_fs
mount_fs -o ro
if touch "$M/x" 2>/dev/null; then die "ro can be written"; fi
grep " $M " /proc/self/mountinfo | grep -q ' ro[ ,]' || die "not mounted ro"
umount_fs
mount_fs -o fsname=myname,noatime,nosuid,nodev,noexec
grep " $M " /proc/self/mountinfo >"$T/info"
for word in fuse.bt-fuse myname noatime nosuid nodev noexec; do
	grep -q "$word" "$T/info" || die "no $word in $(cat "$T/info")"
done

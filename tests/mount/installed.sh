#!/bin/bash
# The installed copy: installed into a directory of its own, it helps, has man
# pages that render without a warning, mounts and unmounts; and it does not
# need the build directory.
. "$(dirname "$0")/lib.sh"
build=$(cd "$(dirname "$BTFUSE")/../.." && pwd)
export DESTDIR=$T/dest
meson install -C "$build" --no-rebuild --quiet
prefix=$(meson introspect "$build" --buildoptions | python3 -c \
	'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
top=$DESTDIR$prefix

installed=$top/bin/bt-fuse
[ -x "$installed" ] || die "no bin/bt-fuse in $(cd "$DESTDIR" && find . -type f)"
"$installed" help | grep -q mount || die "help"
"$installed" --version | grep '[0-9]' >/dev/null || die "version"
for verb in mount umount status fsck; do
	page=$top/share/man/man1/bt-fuse-$verb.1
	[ -f "$page" ] || die "no man page bt-fuse-$verb(1)"
	"$installed" "$verb" --help >/dev/null || die "$verb --help"
done
while read -r page; do
	groff -man -Tascii -P-cbou -ww -b "$page" >"$T/text" 2>"$T/err"
	[ ! -s "$T/err" ] || die "$page: $(head -5 "$T/err")"
	[ "$(wc -l <"$T/text")" -gt 10 ] || die "$page: hardly a page"
	# What a page refers to is there too, as far as it is ours.
	while read -r other; do
		n=${other##*(}
		file=$top/share/man/man${n%)}/${other%(*}.${n%)}
		[ -f "$file" ] || die "$page refers to $other, which is not there"
	done < <(grep -oE '[a-z.]*bt-fuse[-a-z]*\([0-9]\)' "$T/text" | sort -u)
done < <(find "$top/share/man" -name '*.[1-9]')
find "$top" -path '*completion*' -type f | grep . >/dev/null || die "no shell completion"
find "$top" -path '*bash-completion*' -type f -exec bash -n {} + || die "the completion is not bash"
if readelf -d "$installed" | grep -E 'RPATH|RUNPATH' | grep "$build" >/dev/null; then
	die "it looks for libraries in $build"
fi

cp -a "$top" "$T/moved"
BTFUSE=$T/moved/bin/bt-fuse
mount_fs
echo text >"$M/file"
[ "$(cat "$M/file")" = text ] || die "wrong content"

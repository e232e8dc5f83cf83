#!/bin/bash
# /usr/include onto the mount with tar and back again: the same names, modes,
# owners, times, links and contents in all three places.
. "$(dirname "$0")/lib.sh"
mount_fs
mkdir "$M/in" "$T/out"
cd /
tar --format=posix -cf - usr/include | tar -xpf - -C "$M/in"
same_trees /usr/include "$M/in/usr/include"
tar --format=posix -cf - -C "$M/in" usr/include | tar -xpf - -C "$T/out"
same_trees "$M/in/usr/include" "$T/out/usr/include"
say "$(find "$M/in" | wc -l) names, $(du -sh "$M/in" | cut -f1)"
# The archive itself on the mount: one large file beside the small ones.
tar --format=posix -cf "$M/all.tar" usr/include
tar -df "$M/all.tar"
rm -r "$M/in"
[ "$(ls "$M")" = all.tar ] || die "rm -r has left something"

#!/bin/bash
# /usr/include onto the mount with tar and back again: the same names, modes,
# owners, times, links and contents in all three places.
. "$(dirname "$0")/lib.sh"
mount_fs
mkdir "$M/in" "$T/out" "$T/from" "$T/from/usr"
cp -a /usr/include "$T/from/usr" # whose owner is then whoever runs this
cd "$T/from"
tar --format=posix -cf - usr/include | tar -xpf - -C "$M/in"
same_trees "$T/from/usr/include" "$M/in/usr/include"
tar --format=posix -cf - -C "$M/in" usr/include | tar -xpf - -C "$T/out"
same_trees "$M/in/usr/include" "$T/out/usr/include"
say "$(find "$M/in" | wc -l) names, $(du -sh "$M/in" | cut -f1)"
# The archive itself on the mount: one large file beside the small ones.
tar --format=posix -cf "$M/all.tar" usr/include
tar -df "$M/all.tar"
rm -r "$M/in"
[ "$(ls "$M")" = all.tar ] || die "rm -r has left something"

#!/bin/bash
# Ordinary programs under `bt-fuse run`, on the mount and on a tmpfs beside it: the same output, the same files.
. "$(dirname "$0")/../mount/lib.sh"

# $1: the directory to work in. Prints what is to be compared.
work() {
	cd "$1"
	echo one >f1
	echo two >>f1
	wc -l <f1
	for i in 1 2 3; do echo "$i" >"n$i"; done
	ls
	cp f1 f2 && mv f2 f3 && ln -s f3 l && cat l
	ln f3 h && stat -c '%h %s %F' h
	chmod 600 f3 && stat -c %a f3 && rm n1
	(umask 077 && touch private && stat -c %a private)
	cp -r /usr/include/linux tree && diff -r /usr/include/linux tree
	tar cf t.tar tree && tar tf t.tar | wc -l
	mkdir x && tar xf t.tar -C x && diff -r tree x/tree
	find . -name '*.h' | wc -l
	grep -rl FUSE_INIT . | sort
	git init -q g && cd g && cp ../f1 . && git add . &&
		git -c user.email=a@b -c user.name=n commit -qm x && git fsck && git log --oneline | wc -l && cd ..
	printf 'int main(void){return 7;}' >m.c && cc m.c -o m
	./m || echo $?
	(echo sub && exec echo ex) >sub.out && cat sub.out
	{ echo a && sleep 0.05 && echo b; } >both & # a child and its parent share an offset
	wait && cat both
	exec 7<>f1 && read -r first <&7 && echo "$first" && cat <&7 && exec 7>&-
	sh -c 'echo inherited >&8' 8>eight && cat eight
	sqlite3 db 'create table t(a); insert into t values(1),(2); select count(*) from t; pragma integrity_check'
	for i in 1 2 3 4; do (for k in $(seq 50); do echo "$i $k" >>log; done) & done
	wait && sort -u log | wc -l
	touch gone && exec 9<gone && rm gone && echo x >gone2 && cat <&9 && exec 9<&-
	find . -type f -printf '%P %s %m %n\n' | grep -v '^g/.git/' | sort | md5sum
}

if [ "${1-}" = --work ]; then
	trap - EXIT
	work "$2" 2>&1
	rm -rf "$T"
	exit
fi

plain=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
put_right() {
	rm -rf "$plain"
}
mount_fs
bash "$0" --work "$plain" >"$T/plain"
"$BTFUSE" run --stats --mount "$M" -- bash "$0" --work "$M" >"$T/run" 2>"$T/stats"
diff "$T/plain" "$T/run" || die "another result than on tmpfs"
cat "$T/stats"
grep -qE ' [1-9][0-9]{3,} answered' "$T/stats" || die "hardly anything was answered in the process"
grep -qE '^bt-fuse: [0-9.]+ s in all; ' "$T/stats" || die "no time in the statistics"
# What is seen through the kernel is the same.
diff <(cd "$plain" && find . -type f -printf '%P %s %m %n\n' | grep -v '/.git/' | sort) \
	<(cd "$M" && find . -type f -printf '%P %s %m %n\n' | grep -v '/.git/' | sort) || die "the mount shows others"

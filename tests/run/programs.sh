#!/bin/bash
# Real programs under `bt-fuse run`, on the mount and on a tmpfs beside it: the same output, the same trees.
. "$(dirname "$0")/../mount/lib.sh"

work_bash() {
	exec 3>log 4>&1
	echo three >&3
	echo both >>two 2>&1
	{ echo out && echo err >&2; } >o 2>e
	cat o e <(echo substituted) - <<-END
		here $(cat log)
	END
	for i in 1 2 3; do echo "$i"; done | while read -r x; do echo "piped $x"; done >p
	cat p
	(exec >sub && echo redirected && sh -c 'echo child')
	cat sub
	exec 3>&-
	mapfile -t lines <p && echo "${#lines[@]} ${lines[2]}"
	exec 5<>rw && echo first >&5 && echo second >&5 && cat rw && exec 5>&-
	set -o noclobber && { echo x >log; } 2>/dev/null || echo kept
	set +o noclobber
	printf '%s\n' c a b a | sort | uniq -c | tee counted | tr -s ' '
	trap 'echo trapped >>trap' USR1 && kill -USR1 $BASHPID && cat trap
	exec 9>lock && flock 9 && (flock -n lock true || echo held) && exec 9>&- && flock -n lock echo free
	coproc cat && echo co >&"${COPROC[1]}" && read -r x <&"${COPROC[0]}" && echo "$x"
	eval "exec ${COPROC[1]}>&-"
	wait
}

work_python() {
	python3 - <<-'END'
		import os, json, shutil, tempfile, subprocess, mmap, sqlite3, zipfile, glob, threading
		os.makedirs("a/b/c", exist_ok=True)
		json.dump({"x": [1, 2, 3]}, open("a/x.json", "w"))
		print(json.load(open("a/x.json")))
		shutil.copytree("a", "copy"); shutil.copy2("a/x.json", "y"); os.replace("y", "z")
		print(sorted(p for p in glob.glob("**", recursive=True)))
		with tempfile.TemporaryFile(dir=".") as t:
		    t.write(b"hidden"); t.seek(0); print(t.read())
		with tempfile.NamedTemporaryFile(dir=".", suffix=".q") as t:
		    t.write(b"named"); t.flush(); print(os.path.getsize(t.name))
		with open("m", "w+b") as f:
		    f.truncate(8192)
		    with mmap.mmap(f.fileno(), 8192) as m:
		        m[0:5] = b"hello"; m.flush()
		    f.seek(0); print(f.read(5))
		print(subprocess.run(["sh", "-c", "cat a/x.json; echo err >&2"], capture_output=True))
		with open("out", "w") as f:
		    f.write("before\n"); f.flush()
		    subprocess.check_call(["echo", "child"], stdout=f)
		    f.write("after\n")
		print(open("out").read())
		db = sqlite3.connect("db"); db.execute("create table t(a,b)")
		db.executemany("insert into t values(?,?)", [(i, str(i)) for i in range(500)]); db.commit()
		print(db.execute("select count(*), sum(a) from t").fetchone(), db.execute("pragma integrity_check").fetchone())
		with zipfile.ZipFile("z.zip", "w") as z:
		    z.write("a/x.json")
		print(zipfile.ZipFile("z.zip").testzip(), zipfile.ZipFile("z.zip").namelist())
		def work(n):
		    for i in range(50):
		        with open(f"t{n}", "a") as f: f.write(f"{i}\n")
		ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]
		[t.start() for t in ts]; [t.join() for t in ts]
		print([os.path.getsize(f"t{n}") for n in range(4)])
		pid = os.fork()
		if pid == 0:
		    open("forked", "w").write("child"); os._exit(0)
		os.waitpid(pid, 0); print(open("forked").read())
		os.mkdir("mod"); open("mod/thing.py", "w").write("VALUE = 42\n")
		print(subprocess.check_output(["python3", "-c", "import sys; sys.path.insert(0, 'mod'); import thing; print(thing.VALUE)"]))
		print(subprocess.check_output(["python3", "-c", "import sys; sys.path.insert(0, 'mod'); import thing; print(thing.VALUE)"]))
		st = os.statvfs("."); print(st.f_namemax)
		with os.scandir(".") as it: print(sorted(e.name for e in it if e.is_file() and not e.name.startswith("tmp"))[:5])
		os.symlink("a", "l"); print(os.path.realpath("l/b") == os.path.realpath("a/b"), os.readlink("l"))
		shutil.rmtree("copy"); print(os.path.exists("copy"))
	END
}

work_perl() {
	# What is between the quotes is perl's.
	# shellcheck disable=SC2016
	perl -e '
		use Fcntl qw(:flock :seek); use File::Find; use File::Copy; use File::Temp qw(tempfile);
		open(my $f, "+>", "f") or die; print $f "line $_\n" for 1..1000; seek($f, 0, SEEK_SET);
		my $n = () = <$f>; print "$n\n"; flock($f, LOCK_EX) or die; truncate($f, 100); close $f; print -s "f", "\n";
		mkdir "d"; copy("f", "d/g"); rename "d/g", "d/h"; print -s "d/h", "\n";
		find(sub { print "$File::Find::name\n" }, ".");
		opendir(my $d, "d"); print join(",", sort grep { !/^\./ } readdir $d), "\n";
		open(STDOUT, ">>", "redirected"); print "in the file\n"; system("echo from a child"); close STDOUT;
		open(my $r, "<", "redirected"); print STDERR <$r>;
		my ($t, $name) = tempfile(DIR => "."); print $t "x"; close $t; unlink $name;
	' 2>&1 | sort
	perl -pi -e 's/line/LINE/' f && head -2 f
}

work_archives() {
	mkdir -p src && cp -r /usr/include/linux src/ && ln -s linux src/l && ln src/linux/fuse.h src/hard && setfattr -n user.k -v v src/linux/fuse.h
	setfacl -m u:1:r src/linux/fs.h && chmod 2750 src && touch -d 2001-02-03 src/linux/fs.h
	tar --acls --xattrs --xattrs-include='user.*' -cf t.tar src && mkdir un && tar --acls --xattrs --xattrs-include='user.*' -xpf t.tar -C un
	rsync -aHAX --delete src/ sync/ && rsync -aHAXni --delete src/ sync/ | wc -l
	rm sync/linux/fuse.h && echo more >>sync/linux/fs.h && rsync -aHAX --delete src/ sync/
	for d in un/src sync; do
		diff -r src "$d"
		getfattr --absolute-names -n user.k "$d/linux/fuse.h" | tail -2
		getfacl -cp "$d/linux/fs.h" | head -2
		stat -c '%a %Y %h' "$d/linux/fs.h" && stat -c '%a %h' "$d/hard"
	done
	tar czf t.tgz src && tar tzf t.tgz | sort | md5sum
}

work_git() {
	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
	export GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z' HOME=$PWD
	git init -q -b main r && cd r && cp -r /usr/include/linux . && git add . && git commit -qm one && git rev-parse HEAD
	git checkout -qb b && echo x >>linux/fuse.h && git commit -qam two && git checkout -q main && echo y >n && git add n && git commit -qm three
	git merge -qm merged b && git log --oneline | wc -l && git status --short && git gc -q && git fsck 2>&1 && git rev-parse HEAD
	cd .. && git clone -q r s && cd s && git log -1 --format=%T && git grep -l FUSE_INIT && git stash list && git diff HEAD~1 --stat | tail -1
	cd ..
}

work_build() {
	mkdir b && cd b
	for i in 1 2 3 4 5 6 7 8; do
		printf 'int f%d(int x) { return x + %d; }\n' "$i" "$i" >"f$i.c"
	done
	printf 'int f1(int), f2(int);\n#include <stdio.h>\nint main(void) { printf("%%d\\n", f1(1) + f2(2)); return 0; }\n' >main.c
	# shellcheck disable=SC2016
	printf 'OBJS = main.o $(patsubst %%.c,%%.o,$(wildcard f*.c))\nprog: $(OBJS)\n\t$(CC) -o $@ $(OBJS) -Wl,-rpath,$(CURDIR) libg.so\nprog: libg.so\nlibg.so: f1.c\n\t$(CC) -shared -fPIC -o $@ $<\n' >Makefile
	make -s -j4 >out 2>&1
	cat out
	./prog
	touch f3.c && make -n | grep -c f3.c
	make -q || echo stale
	cd ..
}

work_sqlite() {
	sqlite3 db 'pragma journal_mode=wal; create table t(a integer primary key, b)'
	for k in 1 2 3; do
		(for i in $(seq 15); do sqlite3 -cmd '.timeout 20000' db "insert into t(b) values('$k-$i')"; done) &
	done
	wait
	sqlite3 db 'select count(*) from t; pragma journal_mode=delete; pragma integrity_check; vacuum; select count(distinct b) from t'
	sqlite3 db .dump | sqlite3 copy && sqlite3 copy 'select count(*) from t'
}

if [ "${1-}" = --work ]; then
	trap - EXIT
	mkdir "$2/$3" && cd "$2/$3"
	"work_$3" 2>&1
	rm -rf "$T"
	exit
fi

plain=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
put_right() {
	rm -rf "$plain"
}
mount_fs
for name in bash python perl archives git build sqlite; do
	bash "$0" --work "$plain" "$name" >"$T/plain" || die "$name fails on tmpfs: $(tail -5 "$T/plain")"
	"$BTFUSE" run --mount "$M" -- bash "$0" --work "$M" "$name" >"$T/run" || die "$name fails: $(tail -5 "$T/run")"
	diff <(sed "s,$plain,DIR,g" "$T/plain") <(sed "s,$M,DIR,g" "$T/run") || die "$name: another result than on tmpfs"
	# What is seen through the kernel is the same.
	diff <(cd "$plain/$name" && find . -printf '%P %y %m %n %l\n' | grep -v '\.git/\|pycache' | sort) \
		<(cd "$M/$name" && find . -printf '%P %y %m %n %l\n' | grep -v '\.git/\|pycache' | sort) || die "$name: the mount shows others"
done

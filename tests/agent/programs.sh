#!/usr/bin/env bash
# Real programs with the agent and without: same output, same exit status.
#
#	programs.sh LAUNCHER AGENT [NAME]
#
# A program that is not installed is passed over, and said so.
set -u
launcher=$(realpath "$1") agent=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
table=$work/sites
only=${3:-}
failed=0

# The same command in two equal directories; what it prints may name neither.
compare() {
	local name=$1 script=$2 need=${3:-sh}
	if ! command -v "$need" >/dev/null; then
		echo "skip $name: no $need"
		return
	fi
	[ -z "$only" ] || [ "$only" = "$name" ] || return
	rm -rf "$work/a" "$work/b"
	mkdir "$work/a" "$work/b"
	(cd "$work/a" && timeout 120 bash -c "$script" >../a.out 2>../a.err; echo "status $?" >>../a.out) </dev/null
	(cd "$work/b" && timeout 120 "$launcher" -a "$agent" -t "$table" bash -c "$script" >../b.out 2>../b.err
		echo "status $?" >>../b.out) </dev/null
	if cmp -s "$work/a.out" "$work/b.out" && cmp -s "$work/a.err" "$work/b.err"; then
		echo "ok   $name"
	else
		echo "FAIL $name"
		diff "$work/a.out" "$work/b.out" | head -10
		diff "$work/a.err" "$work/b.err" | head -10
		failed=1
	fi
}

compare bash 'for i in $(seq 50); do echo "line $i" | sed s/line/row/ | tr a-z A-Z; done; exec 3>f; echo x >&3
	exec 3>&-; cat f; (exit 5); echo $?; kill -TERM $BASHPID'
compare job-control 'set -m; sleep 0.05 & wait %1; echo $?; sleep 5 & kill -STOP %1; kill -CONT %1; kill %1; wait %1; echo $?'
compare trap 'trap "echo got usr1" USR1; for i in 1 2 3; do kill -USR1 $$; done; trap "echo bye" EXIT; exit 3'
compare env 'unset OLDPWD PWD SHLVL _; env -i A=1 env; env | grep -c "LD_PRELOAD\|BTFUSE"; tr "\0" "\n" </proc/self/environ | grep -c "agent"'
compare preload 'LD_PRELOAD=libm.so.6 env | grep LD_PRELOAD; export LD_PRELOAD=libm.so.6; sh -c "env | grep LD_PRELOAD"'
compare git 'export GIT_AUTHOR_DATE="2020-01-01 00:00 +0000" GIT_COMMITTER_DATE="2020-01-01 00:00 +0000" HOME=$PWD
	git init -q r && cd r && git config user.name a && git config user.email a@b
	for i in $(seq 20); do echo $i >f$i; git add f$i; git commit -qm "c$i"; done
	git checkout -qb x HEAD~5; git merge -q -m m master 2>&1; git gc -q; git fsck; git log --oneline | head -5; git status' git
compare python3 'python3 -c "
import subprocess, threading, os, tempfile, multiprocessing, socket, signal
print(subprocess.run([\"sh\",\"-c\",\"echo hi; exit 3\"], capture_output=True))
l=[]
def f(i):
    with tempfile.TemporaryFile() as t:
        t.write(b\"x\"*i); t.seek(0); l.append(len(t.read()))
ts=[threading.Thread(target=f,args=(i,)) for i in range(100)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(l)==list(range(100)))
print(sum(multiprocessing.Pool(3).map(abs, range(100))))
try: os.open(\"/nope\",0)
except OSError as e: print(e)
signal.signal(signal.SIGALRM, lambda *a: print(\"alarm\")); signal.setitimer(signal.ITIMER_REAL,.05); signal.pause()
import ctypes, sqlite3, ssl, json
print(sqlite3.connect(\":memory:\").execute(\"select 40+2\").fetchall())
"' python3
# A minute and more: only by its name.
[ "$only" != python-tests ] || compare python-tests 'python3 -m test -q test_os test_signal test_subprocess test_threading test_posix test_mmap 2>&1 | grep -E "^(Result|Tests result|[0-9]+ tests? failed|    test_)"' python3
compare perl 'perl -e "use POSIX; \$SIG{ALRM}=sub{print qq(alrm\n)}; alarm 1; pause; print join q(,), map {fork ? (wait, \$?>>8)[1] : exit \$_} 1..5; print qq(\n); system q(echo sys); print \`echo tick\`; open F, q(>f); print F 1; close F; print -s q(f)"' perl
compare compile 'for i in 1 2 3 4; do echo "int f$i(void){return $i;}" >f$i.c; done
	echo "int f1(void); int main(void){return f1()-1;}" >main.c
	printf "p: main.o f1.o f2.o f3.o f4.o\n\tcc -o \$@ \$^\n" >Makefile
	make -j3 | sort && ./p; echo $?; g++ -x c++ - -o q <<<"#include <iostream>
int main(){try{throw 1;}catch(int){std::cout<<\"caught\n\";}}" && ./q' make
compare sqlite3 'sqlite3 t.db "pragma journal_mode=wal; create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<5000) insert into t select x,hex(x) from c; select count(*),sum(a) from t; pragma integrity_check;"' sqlite3
compare tar 'mkdir d; for i in $(seq 200); do echo $i >d/$i; ln -s $i d/l$i; done; touch -d 2020-01-01 d d/*
	tar --sort=name --mtime=2020-01-01 -cf t.tar d && sha256sum <t.tar; mkdir e; tar xf t.tar -C e && diff -r d e/d; gzip t.tar; zcat t.tar.gz | tar t | tail -3; cp -a d f; rm -rf d; find . | sort | sha256sum' tar
compare node 'node -e "
const fs=require(\"fs\"),cp=require(\"child_process\"),w=require(\"worker_threads\");
fs.writeFileSync(\"f\",\"x\".repeat(1e6)); console.log(fs.readFileSync(\"f\").length);
console.log(cp.execSync(\"echo hi; exit 0\").toString());
Promise.all([...Array(200).keys()].map(i=>fs.promises.writeFile(\"g\"+i,\"y\"))).then(()=>console.log(fs.readdirSync(\".\").filter(n=>n[0]==\"g\").length));
new w.Worker(\"require(\\\"worker_threads\\\").parentPort.postMessage(7)\",{eval:true}).on(\"message\",m=>fs.writeFileSync(\"m\",\"\"+m));
process.on(\"exit\",()=>console.log(fs.readFileSync(\"m\").toString()));
"' node
compare java 'cat >T.java <<"J"
import java.nio.file.*; import java.util.concurrent.*; import java.util.stream.*;
public class T { public static void main(String[] a) throws Exception {
 ExecutorService e=Executors.newFixedThreadPool(8);
 for(int i=0;i<100;i++){int n=i; e.submit(()->Files.write(Path.of("f"+n),("x"+n).getBytes()));}
 e.shutdown(); e.awaitTermination(20,TimeUnit.SECONDS);
 System.out.println(Files.list(Path.of(".")).filter(p->p.toString().contains("f")).count());
 Object o=null; try{ o.hashCode(); }catch(NullPointerException x){System.out.println("npe");}
 for(int k=0;k<30000;k++){ try{ if(k%3==0) o=null; o.hashCode(); }catch(NullPointerException x){} }
 System.out.println(new String(new ProcessBuilder("echo","hi").start().getInputStream().readAllBytes()));
 System.gc(); try{ f(0);}catch(StackOverflowError x){System.out.println("soe");} }
 static int f(int n){return f(n+1)+1;} }
J
java T.java' java
echo 'int main(int c, char **v, char **e){ for (; *e; e++) __builtin_puts(*e); return 0; }' >"$work/static.c"
if cc -static -o "$work/static" "$work/static.c" 2>/dev/null; then
	export work
	compare static 'env -i A=1 "$work/static"; env -i "$work/static" | wc -l; A=2 B=3 "$work/static" | grep -c "LD_PRELOAD\|BTFUSE"'
	compare script-of-static 'printf "#!%s\n" "$work/static" >s; chmod +x s; env -i A=5 ./s'
fi
compare setuid 'su nobody -s /bin/sh -c "id -un; env | grep -c BTFUSE" 2>&1' su
compare dlopen 'python3 -c "
import ctypes
l=ctypes.CDLL(\"liburing.so.2\"); print(l.io_uring_major_version() if hasattr(l,\"io_uring_major_version\") else 1)"' python3
compare closed-fds 'bash -c "exec 0<&- 1>&- 2>&-; ls / ; echo \$? >r"; cat r'
compare limits 'ulimit -n 4; echo one; ls /nope; /bin/true; echo $?'
compare noproc 'unshare -m sh -c "umount -l /proc; ls / | wc -l; echo done"' unshare

# The hooks see what strace sees.
if command -v strace >/dev/null; then
	cd "$work" || exit 1
	cat >count.sh <<-'S'
		for i in 1 2 3; do cat /etc/passwd >/dev/null; ls /etc >/dev/null; done
	S
	# Once before: what the agent meets for the first time it has looked through.
	"$launcher" -a "$agent" -t "$table" bash count.sh >/dev/null
	strace -f -o traced "$launcher" -a "$agent" -t "$table" -v bash count.sh 2>counted
	# From where its agent is up until its next exec, a process (a forked one from its beginning): what the
	# agent itself calls, to look at what is going to be executed and for the pages of threads, left out.
	for call in openat close getdents64 newfstatat execve dup2 lseek fcntl mmap munmap mprotect clone exit_group; do
		seen=$(awk -v c=$call '$1 == c { print $2 }' counted)
		real=$(awk -v c="$call(" '
			BEGIN { any = 0 }
			{ pid = $1; line = $2; for (i = 3; i <= NF; i++) line = line " " $i }
			!(pid in up) { up[pid] = any }
			line ~ /O_NOCTTY\|O_NONBLOCK\|O_CLOEXEC/ { own[pid] = 1; next }
			own[pid] && line ~ /^close\(/ { own[pid] = 0; next }
			line ~ /^mmap\(NULL, 262144, .*MAP_NORESERVE/ { next }
			up[pid] && index(line, c) == 1 { n++ }
			line ~ /^execve\(.* = 0$/ || line ~ /^<... execve resumed>.* = 0$/ { up[pid] = 0 }
			line ~ /^rt_sigprocmask\(SIG_UNBLOCK, \[BUS SEGV\]/ { up[pid] = any = 1 }
			END { print n + 0 }' traced)
		if [ "${seen:-0}" = "$real" ] && { [ "$real" != 0 ] || [ "$call" = mprotect ]; }; then
			echo "ok   count of $call: $real"
		else
			echo "FAIL count of $call: hooks ${seen:-0}, strace $real"
			failed=1
		fi
	done
fi
exit $failed

#!/bin/bash
# Processes that meet on the mount: fifos, locks, a directory as a lock,
# tail -f, and processes whose working directory it is.
. "$(dirname "$0")/lib.sh"
mount_fs
cd "$M"

say "10 MB through a fifo"
mkfifo pipe
head -c 10000000 /dev/urandom >data
cat data >pipe &
cmp data pipe
wait $!

say "a counter under flock, four processes"
echo 0 >counter
count() {
	for ((i = 0; i < 100; i++)); do
		(
			flock 9
			read -r n <counter
			echo $((n + 1)) >counter
		) 9>lock
	done
}
for k in 1 2 3 4; do
	count &
	pids[k]=$!
done
for p in "${pids[@]}"; do wait "$p"; done
[ "$(cat counter)" = 400 ] || die "the counter is $(cat counter), not 400"

say "mkdir as a lock, four processes"
echo 0 >counter
count_mkdir() {
	for ((i = 0; i < 50; i++)); do
		until mkdir taken 2>/dev/null; do :; done
		read -r n <counter
		echo $((n + 1)) >counter
		rmdir taken
	done
}
for k in 1 2 3 4; do
	count_mkdir &
	pids[k]=$!
done
for p in "${pids[@]}"; do wait "$p"; done
[ "$(cat counter)" = 200 ] || die "the counter is $(cat counter), not 200"

say "what one process appends, another sees"
: >log
(for ((i = 0; i < 50; i++)); do echo "line $i"; done >>log) &
writer=$!
timeout 20 sh -c 'tail -n +1 -f log | head -n 50 >seen' || die "tail has not seen it all"
wait "$writer"
cmp log seen

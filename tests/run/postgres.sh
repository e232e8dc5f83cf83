#!/bin/bash
# PostgreSQL under `bt-fuse run`, on the mount and on a tmpfs beside it: a cluster is made and started, pgbench works on
# it, all kinds of files are made and removed, the postmaster is killed and recovers. The same results, no checksum wrong,
# and nothing lost that was acknowledged.
. "$(dirname "$0")/../mount/lib.sh"
. "$(dirname "$0")/ordinary.sh"

BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)

# Ends the server, however it is.
stop_at_once() { # data directory
	local pid
	pid=$(timeout 5 head -1 "$1/postmaster.pid" 2>/dev/null) || return 0
	[ "$(readlink "/proc/$pid/cwd")" = "$1" ] || return 0
	kill -QUIT "$pid" 2>/dev/null || return 0
	(gone "$pid") || :
}

start() {
	pg_ctl -D data -l log -w -t 60 start >/dev/null || {
		tail -20 log
		return 1
	}
}

sql() {
	psql -h "$PWD/sock" -d "${db:-postgres}" -XAtq -v ON_ERROR_STOP=1 "$@"
}

bench() { # seed, options
	pgbench -h "$PWD/sock" --random-seed="$1" -n "${@:2}" postgres
}

# What pgbench's transactions do adds up, in whatever order they came.
sums() {
	sql -c "select (select sum(abalance) from pgbench_accounts) = s, (select sum(tbalance) from pgbench_tellers) = s,
		(select sum(bbalance) from pgbench_branches) = s from (select coalesce(sum(delta), 0) as s from pgbench_history) h"
}

contents() {
	sql -c "select count(*), sum(aid), sum(bid), sum(tid), sum(delta) from pgbench_history" \
		-c "select md5(string_agg(aid || ':' || abalance, ',' order by aid)) from pgbench_accounts"
}

files() { # of all kinds
	sql <<-'END'
		create table big as select i, md5(i::text) as h, repeat(md5((i * 7)::text), i % 90) as long from generate_series(1, 6000) i;
		create index on big (h); create index on big using gin (to_tsvector('simple', h)); create unique index on big (i);
		cluster big using big_i_idx; vacuum full big; analyze big;
		set work_mem = '64kB'; set temp_file_limit = -1;
		select md5(string_agg(h, ',' order by long, h)) from big;
		select count(*), sum(a.i) from big a join big b using (h);
		set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
		select count(*), sum(length(long)) from big;
		create temp table t as select * from big where i % 3 = 0; update t set long = ''; select count(*) from t;
		select lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex')); select md5(lo_get(4711)); select lo_unlink(4711);
		truncate big; insert into big select i, '', '' from generate_series(1, 10) i; select count(*) from big; drop table big;
	END
	mkdir space && sql -c "create tablespace s location '$PWD/space'" -c 'create table in_s tablespace s as select generate_series(1, 1000) i'
	sql -c 'create database other template postgres strategy file_copy'
	db=other sql -c 'select sum(i) from in_s' -c 'select count(*) from pgbench_accounts'
	sql -c 'drop database other' -c 'drop table in_s' -c 'drop tablespace s' && find space -type f
	sql -c "copy (select aid, abalance from pgbench_accounts order by aid) to '$PWD/copied'" && md5sum <copied
	sql -c 'create table copy (a int, b int)' -c "copy copy from '$PWD/copied'" -c 'select count(*), sum(a) from copy'
	pg_dump -h "$PWD/sock" -Fd -j2 -f dumped postgres && find dumped -type f | wc -l
	sql -c 'create database again' && pg_restore -h "$PWD/sock" -j2 -d again dumped && db=again contents
	pg_basebackup -h "$PWD/sock" -D backup -X stream -c fast && pg_verifybackup -q backup && echo backed up
}

# The postmaster and all that it has started.
killed() {
	local acknowledged before after pid
	before=$(sql -c 'select count(*) from pgbench_history')
	{ bench 3 -c 4 -j 2 -T 20 >bench.out 2>/dev/null; } &
	sleep 0.7
	pid=$(head -1 data/postmaster.pid)
	# shellcheck disable=SC2046 # a list of pids
	kill -9 "$pid" $(ps -o pid= --ppid "$pid")
	wait $! || :
	acknowledged=$(sed -n 's/.*actually processed: \([0-9]*\).*/\1/p' bench.out)
	# Where nobody reaps the dead at once, it says for a while that they live.
	for _ in $(seq 200); do
		! pg_ctl -D data -l log -w start >/dev/null 2>&1 || break
		sleep 0.1
	done
	grep -q 'database system was not properly shut down' log && echo recovered
	after=$(($(sql -c 'select count(*) from pgbench_history') - before))
	[ "$acknowledged" -gt 0 ] && [ "$after" -ge "$acknowledged" ] && [ "$after" -le $((acknowledged + 4)) ] ||
		echo "acknowledged $acknowledged, found $after"
	sums
}

work() {
	cd "$1"
	PATH=$BIN:$PATH
	mkdir sock
	initdb -D data -k -A trust --locale=C -E UTF8 --no-instructions >initdb.out
	cat >>data/postgresql.conf <<-END
		listen_addresses = ''
		unix_socket_directories = '$PWD/sock'
		shared_buffers = 8MB
		dynamic_shared_memory_type = mmap
		max_wal_size = 64MB
		checkpoint_timeout = 30s
		autovacuum_naptime = 1s
		lc_messages = C
	END
	start
	pgbench -h "$PWD/sock" -i -q postgres >bench.out 2>&1 || cat bench.out
	bench 2 -c 4 -j 2 -t 100 | grep -E 'actually processed|failed'
	sums
	contents
	files
	killed
	sql -c checkpoint
	pg_amcheck -h "$PWD/sock" --install-missing -a && echo checked
	pg_ctl -D data -w stop | tail -1
	pg_checksums --check -D data | grep 'Bad checksums'
	pg_controldata data | grep state
}

if [ "${1-}" = --work ]; then
	dir=$2
	trap 'status=$?; stop_at_once "$dir/data"; rm -rf "$T"; exit $status' EXIT
	work "$dir" 2>&1
	exit
fi

[ -x "$BIN/initdb" ] || die "PostgreSQL is not there: tools/setup"
ordinary
plain=$(mktemp -d "/dev/shm/bt-fuse-$(id -u)-$NAME.XXXXXX")
put_right() {
	stop_at_once "$plain/data"
	stop_at_once "$M/data"
	rm -rf "$plain"
}
mount_fs
begin=$SECONDS
bash "$0" --work "$plain" >"$T/plain" || die "fails on tmpfs: $(tail -5 "$T/plain")"
say "on tmpfs: $((SECONDS - begin)) s"
begin=$SECONDS
"$BTFUSE" run --stats --mount "$M" -- bash "$0" --work "$M" >"$T/run" 2>"$T/stats" || die "fails: $(tail -20 "$T/run" "$M/log")"
say "under bt-fuse run: $((SECONDS - begin)) s"
diff <(sed "s,$plain,DIR,g" "$T/plain") <(sed "s,$M,DIR,g" "$T/run") || die "another result than on tmpfs"
grep answered "$T/stats"

#!/bin/bash
# SQLite in each of its journal modes (WAL works on a shared mapping), with two
# writers and a reader at once, killed writers, and its own integrity check.
. "$(dirname "$0")/lib.sh"
mount_fs
cd "$M"

sql() {
	sqlite3 -cmd '.timeout 60000' "$@"
}

# rows WRITER: 200 transactions of 10 rows.
rows() {
	for ((i = 0; i < 200; i++)); do
		echo "BEGIN IMMEDIATE; WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x < 10)
			INSERT INTO t(writer, i, text) SELECT '$1', $i, hex(randomblob(200)) FROM n; COMMIT;"
	done
}
for w in a b c; do
	rows "$w" >"$T/$w.sql"
done

intact() {
	local out
	out=$(sql "$1" 'PRAGMA integrity_check')
	[ "$out" = ok ] || die "$1: integrity_check: $out"
}

for mode in delete truncate persist wal; do
	db=$mode.db
	[ "$(sql "$db" "PRAGMA journal_mode=$mode")" = "$mode" ] || die "no journal mode $mode"
	sql "$db" 'CREATE TABLE t(id INTEGER PRIMARY KEY, writer, i, text); CREATE INDEX ti ON t(writer, i)'
	sql -bail "$db" <"$T/a.sql" &
	a=$!
	sql -bail "$db" <"$T/b.sql" &
	b=$!
	for ((k = 0; k < 20; k++)); do
		# A reader sees whole transactions only.
		n=$(sql "$db" 'SELECT count(*) % 10 FROM t')
		[ "$n" = 0 ] || die "$mode: a reader has seen half a transaction"
	done
	wait "$a"
	wait "$b"
	[ "$(sql "$db" 'SELECT count(*) FROM t')" = 4000 ] || die "$mode: rows are missing"
	intact "$db"
	say "$mode: 4000 rows by two writers"

	sqlite3 -bail "$db" <"$T/c.sql" &
	c=$!
	sleep 0.2
	kill -9 "$c" 2>/dev/null || true # or it was faster
	wait "$c" 2>/dev/null || true
	[ "$(sql "$db" "SELECT count(*) % 10 FROM t")" = 0 ] || die "$mode: half a transaction is left of a killed writer"
	intact "$db"
	sql "$db" 'DELETE FROM t WHERE id % 3 = 0; VACUUM'
	intact "$db"
done
sql wal.db ".backup '$T/copy.db'"
intact "$T/copy.db"

#!/bin/bash
# Hooked and unhooked writers of one SQLite database at once, by turns that its
# locks give them: whatever one has committed the others build on. A page that the
# kernel keeps though a hooked process has written it, or one that it drops while an
# unhooked process's write of it is under way, loses rows or breaks the file.
#
#   sqlite.sh [ROWS]	each writer's
. "$(dirname "$0")/../mount/lib.sh"

ROWS=${1:-60}
mount_fs --size 256M
cat >"$T/writer.py" <<'END'
import sqlite3, sys, time
path, who, rows, mode = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
db = sqlite3.connect(path, timeout=120, isolation_level=None)
db.execute('pragma journal_mode=' + mode)
db.execute('pragma synchronous=normal')
db.execute('pragma cache_size=20')  # so that pages are read again and again
for i in range(rows):
    db.execute('begin immediate')
    n, total = db.execute('select count(*), coalesce(sum(n), 0) from t').fetchone()
    at, = db.execute('select n from counter').fetchone()
    if n != at:
        sys.exit('%s: %d rows, and the counter is at %d' % (who, n, at))
    db.execute('insert into t values (?, ?, ?)', (who, i, 'x' * (i * 37 % 900)))
    db.execute('update counter set n = n + 1')
    db.execute('commit')
END

for mode in delete truncate wal; do
	db=$M/$mode.db
	/usr/bin/python3 - "$db" "$mode" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('pragma journal_mode=' + sys.argv[2])
db.executescript('create table t (who text, n int, filler text); create table counter (n int); insert into counter values (0)')
db.commit()
END
	pids=
	for i in 1 2; do
		"$BTFUSE" run --mount "$M" -- /usr/bin/python3 "$T/writer.py" "$db" "hooked$i" "$ROWS" "$mode" &
		pids="$pids $!"
		/usr/bin/python3 "$T/writer.py" "$db" "plain$i" "$ROWS" "$mode" &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p" || die "$mode: a writer failed"; done
	/usr/bin/python3 - "$db" "$ROWS" >"$T/out" <<'END' || die "$mode: $(cat "$T/out")"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute('pragma integrity_check').fetchall(), db.execute('select who, count(*) from t group by who').fetchall())
sys.exit(db.execute('pragma integrity_check').fetchall() != [('ok',)] or
         [n for _, n in db.execute('select who, count(*) from t group by who')] != [int(sys.argv[2])] * 4)
END
	say "$mode: $(cat "$T/out")"
done

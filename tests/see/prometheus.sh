#!/bin/bash
# The real Prometheus, with contrib's configuration, scrapes a run, and each
# query that the dashboard makes gives data; each alert rule can be evaluated.
. "$(dirname "$0")/see.sh"
C=$ROOT/contrib

say "the files are well-formed"
promtool check config "$C/prometheus/prometheus.yml" >"$T/check" || die "$(cat "$T/check")"
promtool check rules "$C/prometheus/bt-fuse.rules.yml" >"$T/check" || die "$(cat "$T/check")"
cp "$C/prometheus/bt-fuse.rules.yml" "$SEE/rules.yml" "$T/"
promtool test rules "$T/rules.yml" >"$T/check" 2>&1 || die "an alert is silent, or false: $(cat "$T/check")"
# systemd need not run for that. It warns of what it does not know, with status 0.
if command -v systemd-analyze >/dev/null; then
	unit=bt-fuse-exporter.service
	sed "s|/usr/local/bin/bt-fuse|$BTFUSE|" "$C/systemd/$unit" >"$T/$unit"
	grep -qF "ExecStart=$BTFUSE exporter" "$T/$unit" || die "the unit starts something else"
	systemd-analyze verify --man=no "$T/$unit" >"$T/check" 2>&1 || true
	grep -F "$unit" "$T/check" && die "the unit is not well-formed"
fi

mount_fs
start_exporter
load_programs syscount.bpf.o

# The configuration as it is, but for the exporter's port and the pace.
mkdir "$T/prometheus"
cp "$C/prometheus/bt-fuse.rules.yml" "$T/prometheus/"
sed "s|127.0.0.1:9464|${URL#http://}|; s|_interval: 5s|_interval: 1s|" "$C/prometheus/prometheus.yml" >"$T/prometheus/prometheus.yml"
grep -q "${URL#http://}" "$T/prometheus/prometheus.yml" || die "the configuration has no target"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
prometheus --config.file="$T/prometheus/prometheus.yml" --storage.tsdb.path="$T/prometheus/data" \
	--web.listen-address="127.0.0.1:$port" --log.level=warn >"$T/prometheus/log" 2>&1 &
prometheus=$!
put_right() {
	clear_see "$prometheus"
}
ready() {
	python3 "$SEE/ask.py" GET "http://127.0.0.1:$port/-/ready" >/dev/null 2>&1
}
eventually ready || die "Prometheus does not start: $(cat "$T/prometheus/log")"

say "a load, in processes and through the mount, for some scrapes"
load() {
	local end=$((SECONDS + 8))
	while [ "$SECONDS" -lt "$end" ]; do
		"$BTFUSE" run --mount "$M" -- "$WORK" "$M" 200 >/dev/null
		"$BTFUSE" run --mount "$M" -- bash -c "exec 5>'$M/locked'; flock 5"
		"$WORK" "$M" 20 >/dev/null
	done
}
load

say "each query of the dashboard gives data, each rule is evaluated"
# A busy machine's scrape that comes too late takes all with it until the next one.
for ((i = 0; i < 5; i++)); do
	python3 "$SEE/queries.py" "http://127.0.0.1:$port" "$C/grafana/dashboards/bt-fuse.json" "$NAME" >"$T/queries" 2>&1 && break
	load
done
cat "$T/queries"
[ "$i" -lt 5 ] || die "queries"

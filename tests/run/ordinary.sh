# For tests of what runs as an ordinary user only, after tests/mount/lib.sh: ordinary [ARG...] is where root ends.
# The script runs again as $OTHER, from copies of what may be closed to it, with a runtime directory of its own.
# shellcheck shell=bash
ordinary() {
	local rc=0
	is_root || return 0
	OLD_MODE=$(stat -c %a /dev/fuse 2>/dev/null) || die "/dev/fuse is missing"
	put_right() {
		chmod "$OLD_MODE" /dev/fuse
	}
	chmod 0755 "$T"
	chmod 0666 /dev/fuse # machines without udev have it closed
	mkdir -p "$T/src/cli" "$T/src/agent" "$T/src/sites" "$T/tests"
	mkdir -m 0700 "$T/run" "$T/home"
	cp "$BTFUSE" "$T/src/cli/bt-fuse"
	cp "${BTFUSE%/cli/*}/agent/libbtfuse-agent.so" "$T/src/agent"
	cp "${BTFUSE%/cli/*}/sites/bt-fuse-sites" "$T/src/sites"
	cp -r "$ROOT/tests/mount" "$ROOT/tests/run" "$T/tests"
	chmod -R a+rX "$T/src" "$T/tests"
	chown "$OTHER:$OTHER" "$T/run" "$T/home"
	as_other env -u XDG_CACHE_HOME HOME="$T/home" USER=nobody XDG_RUNTIME_DIR="$T/run" BTFUSE="$T/src/cli/bt-fuse" \
		bash "$T/tests/run/$TEST.sh" "$@" || rc=$?
	exit "$rc"
}

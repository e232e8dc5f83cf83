#!/bin/bash
# git on the mount: a clone of a repository, its whole history verified, a
# commit, a repack, a worktree; then the clone cloned back.
. "$(dirname "$0")/lib.sh"
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=$T
git_as() {
	git -c user.name=test -c user.email=test@example.com "$@"
}

say "making a repository with 60 commits"
git init -q -b main "$T/origin"
cd "$T/origin"
for ((i = 1; i <= 60; i++)); do
	mkdir -p "dir$((i % 7))/sub$((i % 3))"
	head -c $((i * 997)) /dev/urandom | base64 >"dir$((i % 7))/sub$((i % 3))/file$i"
	echo "line $i" >>README
	git add -A
	git_as commit -q -m "commit $i"
done

mount_fs
say "cloning it onto the mount"
git clone -q --no-local "$T/origin" "$M/clone"
git -C "$M/clone" fsck --full --strict --no-progress
diff -r --exclude=.git "$T/origin" "$M/clone"
[ -z "$(git -C "$M/clone" status --porcelain)" ] || die "the clone is not clean"

say "working in it"
cd "$M/clone"
git checkout -q -b work HEAD~20
echo change >README
git_as commit -qam change
git_as merge -q -X ours -m merge main
git repack -q -a -d
git_as gc -q --aggressive --prune=now
git worktree add -q "$M/tree" main
git fsck --full --strict --no-progress
git -C "$M/tree" status --porcelain | grep . && die "the worktree is not clean"

say "cloning it back"
cd "$T"
git clone -q "$M/clone" "$T/back"
[ "$(git -C "$T/back" rev-parse HEAD)" = "$(git -C "$M/clone" rev-parse HEAD)" ] || die "another HEAD"
git -C "$T/back" fsck --full --strict --no-progress

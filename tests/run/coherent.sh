#!/bin/bash
# A hooked and an unhooked process side by side: each sees at its next call what the other has changed (I5).
. "$(dirname "$0")/../mount/lib.sh"

mount_fs
cd "$M"
# The hooked one: does what it is told on descriptor 0 and answers, a line each.
# What is between the quotes is for the shell below.
# shellcheck disable=SC2016
coproc hooked { exec "$BTFUSE" run --mount "$M" -- bash -c 'while read -r line; do eval "$line" 2>&1; echo "= $?"; done'; }

tell() { # runs in the hooked shell; prints what it says
	local line
	echo "$*" >&"${hooked[1]}"
	while read -r -u "${hooked[0]}" line; do
		[[ $line == "= "* ]] && return "${line#= }"
		echo "$line"
	done
}

same() {
	[ "$1" = "$2" ] || die "$3: '$1', not '$2'"
}

for i in $(seq 20); do
	# Names: the kernel has just been told that there is none.
	[ ! -e "a$i" ] || die "a$i is there already"
	tell "echo $i >$M/a$i"
	same "$(cat "a$i")" "$i" "created by the hooked one"
	# Data and size, which the kernel has cached by now.
	tell "echo more >>$M/a$i"
	same "$(stat -c %s "a$i")" "$((${#i} + 6))" "size after the hooked one appended"
	same "$(tail -1 "a$i")" more "pages after the hooked one appended"
	echo mine >"a$i"
	same "$(tell "read -r x <$M/a$i && echo \$x")" mine "written by the unhooked one"
	tell ": >$M/a$i"
	same "$(cat "a$i")" "" "truncated by the hooked one"
	# Attributes.
	tell "chmod 640 $M/a$i"
	same "$(stat -c %a "a$i")" 640 "mode set by the hooked one"
	chmod 600 "a$i"
	same "$(tell "stat -c %a $M/a$i")" 600 "mode set by the unhooked one"
	# Renamed and removed.
	tell "mv $M/a$i $M/b$i"
	[ ! -e "a$i" ] || die "a$i is still there after the hooked one renamed it"
	[ -e "b$i" ] || die "b$i is not there"
	mv "b$i" "c$i"
	tell "test -e $M/c$i -a ! -e $M/b$i" || die "the hooked one does not see a rename"
	tell "rm $M/c$i"
	[ ! -e "c$i" ] || die "c$i is still there after the hooked one removed it"
	# Directories.
	tell "mkdir $M/d$i && touch $M/d$i/x"
	same "$(ls "d$i")" x "listing of the hooked one's directory"
	rm -r "d$i"
	tell "test ! -e $M/d$i" || die "the hooked one sees a removed directory"
done
eval "exec ${hooked[1]}>&-"
wait
cd /

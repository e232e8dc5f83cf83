#!/bin/bash
# A hooked and an unhooked process side by side: each sees at its next call what the other has changed (I5).
. "$(dirname "$0")/../mount/lib.sh"

if is_root; then
	mount_fs -o allow_other
	chmod 1777 "$M"
else
	mount_fs
fi
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
# Appended by both, through descriptors that stay open: the kernel appends where it believes the end to be.
for how in ">>$M/log" "<>$M/log"; do
	echo first >log
	exec 5>>log
	tell "exec 6$how" || die "the hooked one can't open the log"
	for i in $(seq 20); do
		cat log >/dev/null
		tell "echo hooked $i >>$M/log"
		same "$(head -c 5 log)" first "the beginning, while the end has moved"
		echo "unhooked $i" >&5
		same "$(tail -n 2 log)" "hooked $i"$'\n'"unhooked $i" "the log, unhooked"
		same "$(tell "tail -n 2 $M/log")" "hooked $i"$'\n'"unhooked $i" "the log, hooked"
	done
	tell ": >$M/log; echo short >>$M/log"
	echo after >&5
	same "$(tr '\n' ' ' <log)" "short after " "the log after the hooked one began it anew"
	tell "exec 6>&-"
	exec 5>&-
done
# Owners, by which the kernel judges without asking, and set-id bits.
if is_root; then
	mkdir sticky dir
	chmod 1777 sticky
	touch file sticky/file
	for i in 1 2; do
		stat file dir sticky/file >/dev/null
		! as_other chmod 750 file 2>/dev/null || die "a stranger may chmod"
		! as_other rm -f sticky/file 2>/dev/null || die "a stranger may remove from a sticky directory"
		tell "chown $OTHER $M/file $M/dir $M/sticky/file"
		as_other chmod 750 file dir || die "the owner whom the hooked one has set may not chmod"
		as_other mv sticky/file sticky/moved || die "the new owner may not rename in a sticky directory"
		mv sticky/moved sticky/file
		tell "chown 0 $M/file $M/dir $M/sticky/file"
		! as_other chmod 700 file 2>/dev/null || die "who was the owner may still chmod a file"
		! as_other chmod 700 dir 2>/dev/null || die "who was the owner may still chmod a directory"
		! as_other mv sticky/file sticky/moved 2>/dev/null || die "who was the owner may still rename"
	done
	chmod 666 file
	as_other bash -c 'echo >>file'
	tell "chmod 6777 $M/file"
	as_other bash -c 'echo >>file'
	same "$(stat -c %a file)" 777 "set-id bits that the hooked one has set, after a write"
fi
eval "exec ${hooked[1]}>&-"
wait
cd /

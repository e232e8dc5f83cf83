#!/usr/bin/env bash
# The agent's cost: agent.sh LAUNCHER AGENT TEST-AGENT CALLS START
set -eu
launcher=$1 agent=$2 test_agent=$3 calls=$4 start=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$launcher" -a "$agent" -t "$work/sites" true
for _ in 1 2 3; do
	"$calls" >>"$work/bare"
	"$launcher" -a "$test_agent" -t "$work/sites" "$calls" >>"$work/hooked"
done
value() { awk -v k="$2" '$1 == k { print $2 }' "$work/$1" | sort -n | head -1; }
awk -v k="$(value bare kernel)" -v b="$(value bare libc)" -v hk="$(value hooked kernel)" -v h="$(value hooked libc)" \
	-v a="$(value hooked answered)" -v ba="$(value bare answered)" 'BEGIN {
	printf "a call of the kernel (umask)             %6.1f ns\n", k
	printf "added to one that is handed on           %6.1f ns (goal 15)\n", h - b
	printf "one that is answered in the process      %6.1f ns (by the kernel %.1f)\n", a, ba }'

# The same process tree, each exec with or without the agent; medians, the least in parentheses.
read -r bare_med bare_min < <("$start" 500 /bin/true)
read -r with_med with_min < <("$launcher" -a "$agent" -t "$work/sites" "$start" 500 /bin/true)
echo "exec of /bin/true                        $bare_med us ($bare_min), with the agent $with_med us ($with_min)"
echo "added to an exec                         $((with_med - bare_med)) us ($((with_min - bare_min))) (goal 300)"
"$launcher" -s -a "$agent" -t "$work/sites" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done' 2>&1 |
	sed -n 's/.*times, \([0-9]* us\) each.*/of this in agent_start                    \1/p'
memory() { awk '/^Private_Dirty/ { n += $2 } END { print n }' /dev/stdin; }
bare=$(cat /proc/self/smaps | memory)
with=$("$launcher" -a "$agent" -t "$work/sites" cat /proc/self/smaps | memory)
echo "private memory                           $((with - bare)) KiB (goal 256)"

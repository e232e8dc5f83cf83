#!/bin/bash
# model.sh [SECONDS]: the model test through the kernel: each call on the mount compared with the model, by several
# users; and the traces of what was ever found. The same sequences each time, or new ones for so many seconds.
. "$(dirname "$0")/lib.sh"

if [ $# -gt 0 ]; then
	much=(--time "$(($1 / 2))")
else
	much=(--seed 11 --episodes 40)
fi
model=$HELPERS/../model/model
mount_for_users
"$model" --dir "$M" --exec model --exec posix --users "$users" --replay "$HERE"/../model/traces/*
"$model" --dir "$M" --exec model --exec posix --users "$users" "${much[@]}"
"$model" --dir "$M" --exec model --exec posix --users "$users" --threads 4 --mode shared "${much[@]}"

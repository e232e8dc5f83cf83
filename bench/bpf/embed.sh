#!/bin/sh
# usage: embed.sh CLANG OBJCOPY SOURCE LIST OUT.S TMP: eBPF text of each function as assembler data
set -e
clang=$1 objcopy=$2 source=$3 list=$4 out=$5 tmp=$6
mkdir -p "$tmp"
"$clang" -O2 -target bpf -mcpu=v3 -c "$source" -o "$tmp/kernels.o"
{
	echo '.section .rodata'
	for name in $(grep -o 'X([a-z0-9_]*)' "$list" | tr -d 'X()'); do
		"$objcopy" -O binary --only-section="k_$name" "$tmp/kernels.o" "$tmp/$name.bin"
		echo ".balign 8; .global bpf_$name; .global bpf_${name}_end; .hidden bpf_$name; .hidden bpf_${name}_end"
		echo "bpf_$name: .incbin \"$tmp/$name.bin\""
		echo "bpf_${name}_end:"
	done
	echo '.section .note.GNU-stack,"",@progbits'
} > "$out"

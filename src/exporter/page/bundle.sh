#!/bin/sh
# Prints the page with everything in it, as assembler: the bytes from page_html
# to page_html_end. Lines "<!-- include FILE -->" are replaced by that file, as a
# style or a script. With --html before the name: the page itself.
set -eu

html() {
	dir=$(dirname "$1")
	while IFS= read -r line; do
		case $line in
		*'<!-- include '*'.css -->'*) tag=style ;;
		*'<!-- include '*'.js -->'*) tag=script ;;
		*)
			printf '%s\n' "$line"
			continue
			;;
		esac
		file=${line#*<!-- include }
		printf '<%s>\n' "$tag"
		cat "$dir/${file%% -->*}"
		printf '</%s>\n' "$tag"
	done <"$1"
}

if [ "$1" = --html ]; then
	html "$2"
	exit
fi
printf '\t.section .rodata\n'
printf '\t.globl page_html\n\t.hidden page_html\n\t.globl page_html_end\n\t.hidden page_html_end\n'
printf 'page_html:\n'
html "$1" | od -An -v -tx1 | sed 's/ \([0-9a-f][0-9a-f]\)/,0x\1/g; s/^,/\t.byte /'
printf 'page_html_end:\n\t.byte 0\n\t.section .note.GNU-stack, "", @progbits\n'

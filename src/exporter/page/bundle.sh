#!/bin/sh
# Prints the page with everything in it: lines "<!-- include FILE -->" are
# replaced by that file, as a style or a script.
set -eu
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

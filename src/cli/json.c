#include "cli/json.h"

#include <stdio.h>

#include "base/utf8.h"

void json_text(const char *s)
{
	putchar('"');
	for (size_t n; *s; s += n ? n : 1) {
		n = utf8_length(s);
		if (!n)
			fputs("\\ufffd", stdout);
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < ' ')
			printf("\\u%04x", *s);
		else
			fwrite(s, 1, n, stdout);
	}
	putchar('"');
}

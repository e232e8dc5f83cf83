/* rm -r, below a directory. */
#include "sweep.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static int64_t do_op(struct lane *l, enum op_kind kind, const char *path, int flags)
{
	struct op o = op_make(kind);
	int64_t ret;

	o.path = path ? strdup(path) : NULL;
	o.flags = flags;
	o.fd = kind == OP_OPEN || kind == OP_READDIR || kind == OP_CLOSE ? 0 : -1;
	o.len = 64;
	lane_step(l, &o);
	ret = l->r[0].ret;
	op_free(&o);
	return ret;
}

int sweep_dir(struct lane *l, const char *path)
{
	char *list, sub[16384];
	size_t len;
	int failed = 0;

	if (do_op(l, OP_OPEN, path, O_RDONLY | O_DIRECTORY) < 0 || do_op(l, OP_READDIR, NULL, 0) < 0)
		return 1;
	len = l->r[0].text_len;
	list = malloc(len + 1);
	memcpy(list, l->r[0].text, len);
	do_op(l, OP_CLOSE, NULL, 0);
	for (char *e = list; e < list + len; e += strlen(e) + 1) {
		if (!strcmp(e + 1, ".") || !strcmp(e + 1, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s%s%s", strcmp(path, ".") ? path : "", strcmp(path, ".") ? "/" : "",
			 e + 1);
		if (*e == 'd')
			failed |= sweep_dir(l, sub);
		failed |= do_op(l, *e == 'd' ? OP_RMDIR : OP_UNLINK, sub, 0) < 0;
	}
	free(list);
	return failed;
}

/* Names, in the order of the enums of layout.h. */
#include "metrics/names.h"

static const char *const op_names[METRICS_OPS] = {
    [OP_OTHER] = "other",
    [OP_READ] = "read",
    [OP_WRITE] = "write",
    [OP_OPEN] = "open",
    [OP_CLOSE] = "close",
    [OP_STAT] = "stat",
    [OP_LOOKUP] = "lookup",
    [OP_FORGET] = "forget",
    [OP_ACCESS] = "access",
    [OP_READDIR] = "readdir",
    [OP_READLINK] = "readlink",
    [OP_STATFS] = "statfs",
    [OP_MKDIR] = "mkdir",
    [OP_MKNOD] = "mknod",
    [OP_SYMLINK] = "symlink",
    [OP_LINK] = "link",
    [OP_UNLINK] = "unlink",
    [OP_RMDIR] = "rmdir",
    [OP_RENAME] = "rename",
    [OP_CHMOD] = "chmod",
    [OP_CHOWN] = "chown",
    [OP_UTIMENS] = "utimens",
    [OP_TRUNCATE] = "truncate",
    [OP_FALLOCATE] = "fallocate",
    [OP_FSYNC] = "fsync",
    [OP_SEEK] = "seek",
    [OP_GETXATTR] = "getxattr",
    [OP_SETXATTR] = "setxattr",
    [OP_LISTXATTR] = "listxattr",
    [OP_REMOVEXATTR] = "removexattr",
    [OP_COPY] = "copy",
    [OP_MMAP] = "mmap",
    [OP_LOCK] = "lock",
    [OP_FD] = "fd",
    [OP_CWD] = "cwd",
};

static const char *const path_names[METRICS_PATHS] = {"process", "ring", "kernel"};
static const char *const result_names[METRICS_RESULTS] = {"ok", "error"};
static const char *const handed_names[METRICS_HANDED] = {"elsewhere", "descriptor", "outside", "passive", "no_seat"};
static const char *const inval_names[METRICS_INVALS] = {"name", "attributes", "data"};

const char *metrics_op_name(unsigned op)
{
	return op < METRICS_OPS ? op_names[op] : NULL;
}

const char *metrics_path_name(unsigned path)
{
	return path < METRICS_PATHS ? path_names[path] : NULL;
}

const char *metrics_result_name(unsigned result)
{
	return result < METRICS_RESULTS ? result_names[result] : NULL;
}

const char *metrics_handed_name(unsigned reason)
{
	return reason < METRICS_HANDED ? handed_names[reason] : NULL;
}

const char *metrics_inval_name(unsigned what)
{
	return what < METRICS_INVALS ? inval_names[what] : NULL;
}

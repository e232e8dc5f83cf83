/*
 * The verbs of bt-fuse. Each gets its own argv, argv[0] being the verb.
 * Returns an exit status, or -errno with a text, which main prints.
 */
#pragma once

#include "base/compiler.h"
#include "control/err.h"

int cmd_mount(int argc, char **argv, struct err *err);
/* As mount(8) calls it: SOURCE DIR [-sfnv] [-N namespace] [-t type] [-o options]. */
int cmd_mount_helper(int argc, char **argv, struct err *err);
int cmd_umount(int argc, char **argv, struct err *err);
int cmd_status(int argc, char **argv, struct err *err);
/* Returns only where the program could not be started, or was waited for. */
int cmd_run(int argc, char **argv, struct err *err);
/* Serves until it is told to end. */
int cmd_exporter(int argc, char **argv, struct err *err);
int cmd_top(int argc, char **argv, struct err *err);
int cmd_trace(int argc, char **argv, struct err *err);
int cmd_doctor(int argc, char **argv, struct err *err);
int cmd_herald(int argc, char **argv, struct err *err);
int cmd_fsck(int argc, char **argv, struct err *err);
/* eBPF: programs' loaders, and what is loaded. */
int cmd_load(int argc, char **argv, struct err *err);
int cmd_prog(int argc, char **argv, struct err *err);
int cmd_map(int argc, char **argv, struct err *err);
int cmd_link(int argc, char **argv, struct err *err);
int cmd_inject(int argc, char **argv, struct err *err);

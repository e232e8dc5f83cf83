/* A daemon in the background. */
#pragma once

#include "daemon/daemon.h"

/*
 * Runs daemon_serve in a child process, detached from this one's terminal and
 * directory. Returns when the mount works (0) or has failed (-errno with a
 * text). config->ready and config->arg are not used; notes come through.
 */
int background_serve(const struct daemon_config *config, struct err *err) must_check;

/* Where the pool lies, and how large it is. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "daemon/daemon.h"

struct place {
	int fd;	    /* -1: none. Owned, until it is handed to fs_attach. */
	bool memfd; /* it has no name, and ends with the daemon */
	bool found; /* a killed daemon's pool, not a new one */
};

/*
 * Opens the pool of config->name, or makes one. The caller holds the lock of
 * that name. Only this opens the pool's file, and before it is attached:
 * fs_attach tells why. 0, or -errno with a text.
 */
int place_open(const struct daemon_config *config, struct place *place, struct err *err) must_check;

/* Removes the pool's file. */
void place_remove(const struct daemon_config *config);

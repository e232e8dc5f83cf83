/* Helpers that only we have, by number: include/btfuse/helpers.h tells programs what they do. */
#pragma once

enum own_helper {
	OWN_PATH = 240,
	OWN_FD_PATH,
	OWN_MOUNT,
	OWN_FD_MOUNT,
	OWN_TO_KERNEL,
	OWN_WAY,
	OWN_SET_PATH,
	OWN_DELAY,
	OWN_MATCH,
};

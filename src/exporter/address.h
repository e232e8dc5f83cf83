/* Where to listen. */
#pragma once

#include <sys/socket.h>

#include "control/err.h"

#define ADDRESS_URL 80

/*
 * A listening socket for "ADDRESS:PORT", "[ADDRESS]:PORT", ":PORT" or "PORT" (of
 * 127.0.0.1); addresses are numbers. Its URL into `url` (ADDRESS_URL bytes). The
 * descriptor, or -errno with a text.
 */
int address_listen(const char *where, char *url, struct err *err) must_check;

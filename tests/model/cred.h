/*
 * Who carries out operations. Number 0 is the process's own user with the
 * capabilities that it really has; the others, used when that is root, are
 * ordinary users whose groups overlap.
 */
#pragma once

#include <stdbool.h>

#include "fs/fs.h"

#define CRED_N 4

const struct fs_cred *cred_get(int who);
/* May the process become the other users? (Root, and not of a narrow user namespace.) */
bool cred_multiuser(void);
/* The calling thread takes these credentials for its system calls; real ids stay. */
void cred_switch(int who);

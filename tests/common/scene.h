/* What the pools of the crash tests hold at first. */
#pragma once

#include "rig.h"

/* f = hard (inline), target (three blocks and a bit), d/{a,b,e/}, full/in, acl/ (default ACL), x (attributes),
 * listed (access ACL), big (mapped at height 1), link, long (symlinks) */
void scene(struct task *t);

/* An ACL's value with a named user and a mask; returns its size. */
size_t scene_acl(unsigned char *value, unsigned mask);

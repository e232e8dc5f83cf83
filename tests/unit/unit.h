/* What the unit tests share: cmocka behind its required headers, and a pool for each test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/rig.h"

#define UNIT_SIZE ((struct rig_size){.bytes = 16u << 20, .inodes = 1000})

/* Of the test that runs: attached by unit_set_up, checked and left by unit_tear_down. */
extern struct rig unit;

int unit_set_up(void **state);
int unit_tear_down(void **state);

#define UNIT(f) cmocka_unit_test_setup_teardown(f, unit_set_up, unit_tear_down)

/* Runs f in a process of its own, which must exit with 0 or die by SIGKILL. */
void unit_child(void (*f)(int fd));

/* What the program raw and the library of the same code do. */
#pragma once

/* 0, or the line in raw.c that went wrong. */
__attribute__((visibility("default"))) int raw_work(const char *path);

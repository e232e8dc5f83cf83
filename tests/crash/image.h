/* A pool's bytes, kept to start from them again and again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct image;

/* Copies what has memory behind it in the file `fd`. */
struct image *image_take(int fd);
/* A new memfd with these bytes. */
int image_restore(const struct image *im);
void image_free(struct image *im);

/* A pool's bytes, kept to start from them again and again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct image;

/* Copies what has memory behind it in the file `fd`. */
struct image *image_take(int fd);
/* A new memfd with these bytes. */
int image_restore(const struct image *im);
/* How many bytes were kept, and where in the pool the `i`-th of them lies. */
uint64_t image_bytes(const struct image *im);
uint64_t image_offset(const struct image *im, uint64_t i);
void image_free(struct image *im);

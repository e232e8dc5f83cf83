/* The same functions for this machine. */
struct area;
#define KERNEL(name)                                                                                                   \
	unsigned long long native_##name(struct area *a);                                                              \
	unsigned long long native_##name(struct area *a)
#include "kernels.h"

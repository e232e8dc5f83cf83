/* Each function in a section of its own name: its text is a whole program. */
struct area;
#define KERNEL(name)                                                                                                   \
	unsigned long long name(struct area *a);                                                                       \
	__attribute__((section("k_" #name))) unsigned long long name(struct area *a)
#include "kernels.h"

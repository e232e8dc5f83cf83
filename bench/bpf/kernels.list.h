/* The functions of kernels.h, for whoever needs a list. */
#define KERNELS(X)                                                                                                     \
	X(collatz)                                                                                                     \
	X(primes) X(fnv) X(crc32) X(insertion_sort) X(matrix) X(decimal) X(histogram) X(substring) X(sum) X(xorshift)

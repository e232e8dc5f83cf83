/*
 * Compute-bound functions, compiled twice from this text: by clang -O2 for
 * this machine and by clang -O2 for eBPF. KERNEL(name) opens one; it takes a
 * work area and returns a number that both must agree on.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct area {
	u64 n;
	u32 words[1024];
	u64 longs[512];
	u8 bytes[4096];
};

KERNEL(collatz)
{
	u64 longest = 0;

	for (u64 k = 1; k < 3000; k++) {
		u64 x = k, steps = 0;

		while (x != 1) {
			x = x & 1 ? 3 * x + 1 : x >> 1;
			steps++;
		}
		if (steps > longest)
			longest = steps;
	}
	return longest;
}

KERNEL(primes)
{
	u64 count = 0;

	for (u32 k = 2; k < 6000; k++) {
		u32 d = 2;

		while (d * d <= k && k % d)
			d++;
		count += d * d > k;
	}
	return count;
}

KERNEL(fnv)
{
	u64 h = 0xcbf29ce484222325ull;

	for (u32 k = 0; k < 4096; k++) {
		h ^= a->bytes[k];
		h *= 0x100000001b3ull;
	}
	return h;
}

KERNEL(crc32)
{
	u32 crc = 0xffffffff;

	for (u32 k = 0; k < 1024; k++) {
		crc ^= a->bytes[k];
#pragma clang loop unroll(disable)
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0xedb88320 : crc >> 1;
	}
	return crc;
}

KERNEL(insertion_sort)
{
	u32 *w = a->words;
	u64 moves = 0;

	for (int k = 0; k < 256; k++)
		w[k] = w[k + 512];
	for (int k = 1; k < 256; k++) {
		u32 v = w[k];
		int at = k;

		while (at > 0 && w[at - 1] > v) {
			w[at] = w[at - 1];
			at--;
			moves++;
		}
		w[at] = v;
	}
	return moves;
}

KERNEL(matrix)
{
	u64 sum = 0;

	for (u32 i = 0; i < 12; i++)
		for (u32 j = 0; j < 12; j++) {
			u64 s = 0;

			for (u32 k = 0; k < 12; k++)
				s += a->longs[i * 12 + k] * a->longs[144 + k * 12 + j];
			a->longs[288 + i * 12 + j] = s;
			sum ^= s;
		}
	return sum;
}

KERNEL(decimal)
{
	u64 digits = 0;

	for (u32 k = 0; k < 512; k++) {
		u64 v = a->longs[k];

		do {
			digits += v % 10;
			v /= 10;
		} while (v);
	}
	return digits;
}

KERNEL(histogram)
{
	u32 *slots = a->words;

	for (u32 k = 0; k < 64; k++)
		slots[k] = 0;
	for (u32 k = 0; k < 512; k++) {
		u64 v = a->longs[k];
		u32 b = 0;

		if (v >> 32) {
			v >>= 32;
			b += 32;
		}
		if (v >> 16) {
			v >>= 16;
			b += 16;
		}
		if (v >> 8) {
			v >>= 8;
			b += 8;
		}
		if (v >> 4) {
			v >>= 4;
			b += 4;
		}
		if (v >> 2) {
			v >>= 2;
			b += 2;
		}
		b += v >> 1;
		slots[b & 63]++;
	}
	return (u64)slots[63] << 32 | slots[20];
}

KERNEL(substring)
{
	u64 found = 0;

	for (u32 k = 0; k + 4 < 4096; k++)
		if (a->bytes[k] == 'a' && a->bytes[k + 1] == 'b' && a->bytes[k + 2] == 'c')
			found += k;
	return found;
}

KERNEL(sum)
{
	u64 s = 0;

	for (u32 k = 0; k < 1024; k++)
		s += a->words[k];
	return s;
}

KERNEL(xorshift)
{
	u64 x = a->n | 1, s = 0;

	for (u32 k = 0; k < 4096; k++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		s += x & 0xff;
	}
	return s;
}

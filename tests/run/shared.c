/*
 * shared MODE FILE CONTROL WHO OF SECONDS: one of several processes that work on one file at once, some under
 * `bt-fuse run`, some past it (shared.sh).
 *
 * MODE ranges: each process writes records of its own, which lie between those of the others in the same pages, reads
 * its own back at once, and looks at the others'. A record is the same number again and again. The writer publishes,
 * in memory that all share, the number that it is about to write, and when the call has returned that it is written.
 * So each word that is read must be at least what was written before the read began, and at most what was begun when
 * it ended: neither lost nor stale.
 *
 * MODE append: each appends records that carry who, which and how long, and keeps what it has read of the file's
 * beginning: that must never change. In the end all records must be there, in the order that each wrote them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST 8u	     /* processes */
#define RECORDS 24u  /* of a process */
#define SMALL 520u   /* bytes of one: does not divide a page */
#define LARGE 13000u /* bytes of its last one */
#define STRIDE(of) ((RECORDS - 1) * (of)*SMALL)
#define KEPT (4u << 20) /* bytes of an appended file that are kept */
#define PIECE 9000u	/* bytes of an appended record at most */

struct control {
	uint32_t ready, failed;
	uint64_t begun[MOST][RECORDS], written[MOST][RECORDS];
	uint64_t appended[MOST];
};

static struct control *control;
static unsigned who, of;
static uint64_t state;
static char buffer[1u << 16];

static uint32_t random_below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "shared: %u of %u: ", who, of);
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	__atomic_store_n(&control->failed, 1, __ATOMIC_SEQ_CST);
	exit(1);
}

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void put(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static bool time_is_up(time_t end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec >= end || __atomic_load_n(&control->failed, __ATOMIC_SEQ_CST);
}

static time_t begin(int seconds)
{
	struct timespec now;

	__atomic_add_fetch(&control->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&control->ready, __ATOMIC_SEQ_CST) < of)
		sched_yield();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + seconds;
}

/* ---- Ranges ----------------------------------------------------------------------- */

static uint32_t record_len(unsigned r)
{
	return r == RECORDS - 1 ? LARGE : SMALL;
}

static off_t record_at(unsigned w, unsigned r)
{
	return r == RECORDS - 1 ? (off_t)(STRIDE(of) + w * LARGE) : (off_t)((r * of + w) * SMALL);
}

static void check_words(const char *buf, uint32_t len, unsigned w, unsigned r, uint64_t least, uint64_t most)
{
	for (uint32_t i = 0; i < len; i += 8) {
		uint64_t v;

		memcpy(&v, buf + i, 8);
		if (v < least || v > most)
			fail("record %u of process %u at %lld + %u is %llu, not of %llu to %llu", r, w,
			     (long long)record_at(w, r), i, (unsigned long long)v, (unsigned long long)least,
			     (unsigned long long)most);
	}
}

static void look(int fd, unsigned w, unsigned r)
{
	uint32_t len = record_len(r);
	uint64_t least = get(&control->written[w][r]);
	ssize_t n = pread(fd, buffer, len, record_at(w, r));

	if (n != (ssize_t)len)
		fail("read %zd: %s", n, strerror(errno));
	check_words(buffer, len, w, r, least, get(&control->begun[w][r]));
}

static void change(int fd, unsigned r)
{
	uint64_t v = get(&control->written[who][r]) + 1;
	uint32_t len = record_len(r);
	ssize_t n;

	for (uint32_t i = 0; i < len; i += 8)
		memcpy(buffer + i, &v, 8);
	put(&control->begun[who][r], v);
	n = pwrite(fd, buffer, len, record_at(who, r));
	if (n != (ssize_t)len)
		fail("write %zd: %s", n, strerror(errno));
	put(&control->written[who][r], v);
}

/* Whoever opens anew each time finds what was there before with nothing of its own in the way. */
static int again(const char *path, int fd)
{
	close(fd);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fail("open: %s", strerror(errno));
	return fd;
}

static uint64_t ranges(const char *path, int seconds)
{
	int fd = open(path, O_RDWR);
	time_t end = begin(seconds);
	uint64_t rounds = 0;

	for (; !time_is_up(end); rounds++) {
		unsigned r = random_below(RECORDS);

		change(fd, r);
		look(fd, who, r);
		for (int i = 0; i < 4; i++)
			look(fd, random_below(of), random_below(RECORDS));
		if (random_below(64) == 0)
			fd = again(path, fd);
	}
	close(fd);
	return rounds;
}

/* ---- Appending -------------------------------------------------------------------- */

struct piece {
	uint32_t who, len;
	uint64_t number;
};

static char kept[KEPT];
static size_t nkept;

/* What has been read once stays as it is. */
static void look_back(int fd)
{
	size_t at, len;
	ssize_t n;

	if (nkept < KEPT) {
		n = pread(fd, kept + nkept, random_below(20000) % (KEPT - nkept), (off_t)nkept);
		if (n < 0)
			fail("read: %s", strerror(errno));
		nkept += (size_t)n;
	}
	if (nkept == 0)
		return;
	at = random_below((uint32_t)nkept);
	if (random_below(2) && nkept > 20000) /* the last ones change, if any does */
		at = nkept - 1 - random_below(20000);
	len = random_below(sizeof(buffer)) % (nkept - at);
	n = pread(fd, buffer, len, (off_t)at);
	if (n != (ssize_t)len)
		fail("%zu bytes at %zu, of %zu that were there: %zd", len, at, nkept, n);
	for (size_t i = 0; i < len; i++)
		if (buffer[i] != kept[at + i])
			fail("byte %zu has changed, %zu from the end of what was there", at + i, nkept - at - i);
}

static void append(int fd)
{
	struct piece p = {.who = who, .number = control->appended[who]};
	ssize_t n;

	p.len = (uint32_t)sizeof(p) + (random_below(4) ? random_below(200) : random_below(PIECE - sizeof(p)));
	memset(buffer, (int)('a' + who), p.len);
	memcpy(buffer, &p, sizeof(p));
	n = write(fd, buffer, p.len);
	if (n != (ssize_t)p.len)
		fail("append %zd: %s", n, strerror(errno));
	put(&control->appended[who], p.number + 1);
}

static uint64_t appends(const char *path, int seconds)
{
	int fd = open(path, O_RDWR | O_APPEND);
	time_t end = begin(seconds);
	uint64_t rounds = 0;

	for (; !time_is_up(end); rounds++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && st.st_size < 64 << 20)
			append(fd);
		for (int i = 0; i < 3; i++)
			look_back(fd);
	}
	close(fd);
	return rounds;
}

/* MODE verify: whoever it is, all records are there. */
static uint64_t verify(const char *path, int seconds)
{
	int fd = open(path, O_RDONLY);
	uint64_t next[MOST] = {0}, n = 0;
	off_t at = 0;
	struct piece p;

	for (; pread(fd, &p, sizeof(p), at) == (ssize_t)sizeof(p); at += p.len, n++) {
		if (p.who >= of || p.len < sizeof(p) || p.len > PIECE || p.number != next[p.who])
			fail("at %lld there is no record", (long long)at);
		if (pread(fd, buffer, p.len, at) != (ssize_t)p.len)
			fail("the record at %lld is short", (long long)at);
		for (uint32_t i = sizeof(p); i < p.len; i++)
			if (buffer[i] != (char)('a' + p.who))
				fail("the record at %lld is torn at %u", (long long)at, i);
		next[p.who]++;
	}
	for (unsigned w = 0; w < of; w++)
		if (next[w] != control->appended[w])
			fail("%llu of %llu records of process %u", (unsigned long long)next[w],
			     (unsigned long long)control->appended[w], w);
	close(fd);
	return n + (uint64_t)(seconds < 0);
}

/* ---- */

static const struct mode {
	const char *name;
	uint64_t (*run)(const char *path, int seconds);
} modes[] = {{"ranges", ranges}, {"append", appends}, {"verify", verify}};

int main(int argc, char **argv)
{
	int fd;

	if (argc != 7)
		return 2;
	who = (unsigned)atoi(argv[4]);
	of = (unsigned)atoi(argv[5]);
	state = who * 0x9e3779b97f4a7c15u;
	fd = open(argv[3], O_RDWR);
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || control == MAP_FAILED || of > MOST || who >= of)
		return 2;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(modes[i].name, argv[1])) {
			printf("%s %u: %llu\n", argv[1], who, (unsigned long long)modes[i].run(argv[2], atoi(argv[6])));
			return 0;
		}
	}
	return 2;
}

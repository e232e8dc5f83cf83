/*
 * What a client could have written into its channel: the input is a list of
 * stores to the control pages of a channel with requests under way, the server
 * polling in between. It must neither crash nor touch the neighbour's channel.
 *
 * Under the option `fuzz` a libFuzzer target, else a driver of its own:
 * usage: fuzz [ROUNDS [SEED]]
 */
#include <errno.h>
#include <string.h>

#include "rig.h"

static const struct ring_geometry GEO = {.channels = 2, .slots = 4, .data = 4096};
static struct rig rig;

struct store {
	uint8_t what;
	uint8_t where;
	uint8_t shift;
	uint8_t value;
};

static void handler(struct ring_server *s, const struct served *q, void *arg)
{
	must(q->channel < GEO.channels && q->slot < GEO.slots && q->len <= RING_INLINE);
	must((char *)q->data >= ring_data(&rig.ring, q->channel) &&
	     (char *)q->data + q->data_len <= ring_data(&rig.ring, q->channel) + ring_data_bytes(&rig.ring));
	rig_echo(s, q, arg);
}

/* Where the parser looks, rather than anywhere. */
static void apply(struct ring_channel *ch, const struct store *st)
{
	uint64_t v = (uint64_t)st->value << st->shift % 64;

	switch (st->what % 8) {
	case 0:
		ch->entry[st->where % (2 * GEO.slots)] ^= v;
		break;
	case 1:
		ch->slot[st->where % GEO.slots].word ^= v;
		break;
	case 2:
		ch->slot[st->where % GEO.slots].len ^= (uint32_t)v;
		break;
	case 3:
		ch->slot[st->where % GEO.slots].data_len ^= (uint32_t)v;
		break;
	case 4:
		ch->slot[st->where % GEO.slots].data_off ^= v;
		break;
	case 5:
		ch->head ^= v;
		ch->tail += st->where;
		break;
	case 6:
		((uint64_t *)(void *)ch)[8 + st->where % 256] ^= v;
		break;
	default:
		rig.ring.header->pending[st->where % (RING_CHANNELS / 64)] ^= v;
		break;
	}
}

static void send_some(struct channel *c, struct request *q, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (channel_begin(c, 1, 0, &q[i]) != 0)
			return;
		q[i].len = i * 100;
		q[i].data_len = i * 1000;
		if (channel_send(c, &q[i]) != 0)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel bad, good;
	struct request q[4], mine;
	struct ring_server s;
	struct store st;

	if (!rig.pool.base)
		rig_make(&rig, &GEO);
	for (uint32_t i = 0; i < GEO.channels; i++)
		memset(ring_channel(&rig.ring, i), 0, sizeof(struct ring_channel));
	store_release(&rig.ring.header->server, 0);
	must(ring_server_open(&s, &rig.ring, -1, handler, NULL) == 0);
	must(channel_attach(&bad, &rig.ring, &(struct channel_options){.eventfd = -1}) == 0);
	must(channel_attach(&good, &rig.ring, &(struct channel_options){.eventfd = -1}) == 0);
	send_some(&bad, q, 3);
	for (; size >= sizeof st; data += sizeof st, size -= sizeof st) {
		memcpy(&st, data, sizeof st);
		apply(bad.shared, &st);
		/* Polls, sends more, is replaced. */
		if (st.shift & 0x80)
			ring_server_poll(&s);
		if (st.shift & 0x40)
			send_some(&bad, q, 1);
		if (st.what & 0x80) {
			store_release(&rig.ring.header->server, 0);
			must(ring_server_open(&s, &rig.ring, -1, handler, NULL) == 0);
			must(channel_resume(&good, -1) == 0 && channel_resume(&bad, -1) == 0);
		}
	}
	if (ring_check(&rig.ring, 0) == 0)
		must(bad.shared->tail <= bad.shared->head + GEO.slots);
	must(channel_begin(&good, 2, 0, &mine) == 0 && channel_send(&good, &mine) == 0);
	for (int i = 0; i < 100 && !channel_poll(&good, &mine); i++)
		ring_server_poll(&s);
	must(channel_wait(&good, &mine, 0) == 0);
	channel_end(&good, &mine);
	must(ring_check(&rig.ring, 1) == 0);
	return 0;
}

#ifndef BTFUSE_LIBFUZZER
int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0x5eed;

	for (uint64_t r = 0; r < rounds; r++) {
		uint64_t input[16];

		for (unsigned i = 0; i < array_len(input); i++)
			input[i] = rig_random(&seed);
		LLVMFuzzerTestOneInput((const uint8_t *)input, rig_random(&seed) % sizeof input);
	}
	return 0;
}
#endif

/*
 * No wake-up is lost: src/ring/bell.h with the two who use it, as a model for
 * spin. Without a macro, the server that sleeps while nothing is pending
 * (ring_server_idle, ring_notify). With SPACE, clients that sleep for a free
 * slot. With EVENTFD, the server sleeps on an eventfd instead of the word.
 *
 * Memory is x86's: a plain store waits in its processor's store buffer, where
 * only later loads of others pass it; a locked instruction, a fence and a
 * system call empty the buffer first. Only stores that a mutation makes plain
 * are buffered: locked ones are in memory at once.
 *
 * Client 0 may be killed before any statement. Not under SPACE: there the one
 * killed may be the only one whose news others wait for, which is what
 * RING_PATIENCE_NS is for. No timeout is modelled: what is proven holds
 * without.
 *
 * The count does not wrap: with few rounds it stays below 128 here, and has 2^31 there.
 *
 * The property: no execution ends with a living client waiting. Each mutation
 * must violate it:
 *	NO_FENCE_NOTIFY	plain submission, no fence before `pending` is loaded
 *	NO_FENCE_BELL	plain store to `pending`, no fence before the bell is loaded
 *	NO_FENCE_SLEEP	plain store of the announcement
 *	NO_LOOK		sleep without looking again
 *	CLEAR_FIRST	the ringer takes the bit away before it wakes
 *	CLEAR_BLIND	... or after it, whatever the word is by then
 */
#ifndef CLIENTS
#define CLIENTS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

byte word;	/* the bell: bit 0 sleeper, count in the rest */
bool asleep[CLIENTS + 1]; /* in futex_wait, by who */
bool readable;	/* the eventfd is readable */
bool dead;	/* client 0 was killed */

/* Store buffers. */
bool b_sent[CLIENTS], b_pending[CLIENTS], b_word;
byte b_word_value;

#define DRAINED(i) (!b_sent[i] && !b_pending[i])

/* Client `i`'s side of a bell. v, old: its registers. */
inline bell_ring(i)
{
#ifndef NO_FENCE_BELL
	DRAINED(i); /* (B) */
#endif
	old = word;
	if
	:: old & 1 ->
		atomic { DRAINED(i); word = word + 2; v = word }
#ifdef CLEAR_FIRST
		d_step { word = word & 254 }
#endif
		d_step { readable = true; k = 0; do :: k <= CLIENTS -> asleep[k] = false; k++ :: else -> break od; k = 0 }
#ifdef CLEAR_BLIND
		d_step { word = word & 254 }
#else
#ifndef CLEAR_FIRST
		d_step { if :: (v & 1) && word == v -> word = v & 254 :: else fi }
#endif
#endif
	:: else
	fi
}

inline futex_wait(who, value)
{
	d_step { if :: word == value -> asleep[who] = true :: else fi }
	!asleep[who]
}

#ifndef SPACE

bool sent[CLIENTS];	/* in the submission ring */
bool answered[CLIENTS];
bool pending;

inline server_announce()
{
#ifdef NO_FENCE_SLEEP
	atomic { !b_word; b_word_value = (word + 2) | 1; value = b_word_value; b_word = true }
#else
	d_step { word = (word + 2) | 1; value = word }
#endif
}

inline server_sleep()
{
	!b_word; /* a system call */
#ifdef EVENTFD
end_sleep:
	atomic { readable; readable = false }
#else
	d_step { if :: word == value -> asleep[CLIENTS] = true :: else fi }
end_sleep:
	!asleep[CLIENTS]
#endif
}

inline server_poll()
{
	if
	:: pending ->
		atomic { !b_word; pending = false }
		k = 0;
		do
		:: k < CLIENTS ->
			if
			:: d_step { sent[k] -> sent[k] = false; answered[k] = true }
			:: else
			fi
			k++
		:: else -> break
		od
	:: else
	fi
	k = 0
}

active proctype server()
{
	byte value, k;

	do
	:: server_poll();
	   server_announce();
#ifndef NO_LOOK
	   if
	   :: pending
	   :: else -> server_sleep()
	   fi
#else
	   server_sleep()
#endif
	   /* bell_awake */
	   atomic { !b_word; word = word & 254; value = 0 }
	od
}

inline submit(i)
{
#ifdef NO_FENCE_NOTIFY
	b_sent[i] = true;
#else
	sent[i] = true; /* the compare-and-swap of queue_push */
	DRAINED(i);
#endif
	if
	:: !pending ->
#ifdef NO_FENCE_BELL
		b_pending[i] = true
#else
		atomic { DRAINED(i); pending = true }
#endif
	:: else
	fi
}

proctype client(byte i)
{
	byte old, v, k, n;

	{
		do
		:: n < ROUNDS ->
			submit(i);
			bell_ring(i);
			atomic { answered[i]; answered[i] = false; old = 0; v = 0 }
			n++
		:: else -> break
		od
	} unless { dead && i == 0 }
}

#else /* SPACE */

bool taken; /* the only slot */

inline claim()
{
	d_step { if :: !taken -> taken = true; got = true :: else fi }
}

proctype client(byte i)
{
	byte old, v, k, n, value;
	bool got;

	{
		do
		:: n < ROUNDS ->
			/* wait_for_slot */
			do
			:: d_step { word = (word + 2) | 1; value = word }
#ifdef NO_LOOK
			   futex_wait(i, value);
			   claim();
			   if :: got -> break :: else fi
#else
			   claim();
			   if :: got -> break :: else fi;
			   futex_wait(i, value)
#endif
			od;
			skip; /* free_slot */
			d_step { taken = false; got = false; value = 0 }
			bell_ring(i);
			d_step { old = 0; v = 0; n++ }
		:: else -> break
		od
	} unless { dead && i == 0 }
}

#endif

/* The buffers empty themselves, whenever. */
active proctype memory()
{
end:
	do
#ifndef SPACE
	:: atomic { b_sent[0] -> b_sent[0] = false; sent[0] = true }
	:: atomic { b_sent[1] -> b_sent[1] = false; sent[1] = true }
#if CLIENTS > 2
	:: atomic { b_sent[2] -> b_sent[2] = false; sent[2] = true }
#endif
	:: atomic { b_pending[0] -> b_pending[0] = false; pending = true }
	:: atomic { b_pending[1] -> b_pending[1] = false; pending = true }
#if CLIENTS > 2
	:: atomic { b_pending[2] -> b_pending[2] = false; pending = true }
#endif
	:: atomic { b_word -> b_word = false; word = b_word_value }
#else
	:: false
#endif
	od
}

#ifndef SPACE
active proctype killer()
{
	if :: dead = true :: skip fi
}
#endif

init {
	atomic { byte c = 0; do :: c < CLIENTS -> run client(c); c++ :: else -> break od }
}

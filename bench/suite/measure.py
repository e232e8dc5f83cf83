"""Rounds in turn, and what is told of them."""

import time

from suite.worker import Failed

# A case that takes long is content with fewer rounds.
ROUNDS_ENOUGH, SECONDS_ENOUGH = 5, 4


def median(samples):
    s = sorted(samples)
    n = len(s)
    return (s[n // 2] + s[(n - 1) // 2]) / 2


def spread(samples):
    """Half the distance of the quartiles."""
    s = sorted(samples)
    return (s[len(s) * 3 // 4] - s[len(s) // 4]) / 2


def value_of(samples):
    return {"median": round(median(samples), 2), "spread": round(spread(samples), 2),
            "samples": [round(x, 2) for x in samples]}


def measure(case, peers):
    """The rows of a case: dictionaries as in docs/bench.md. A peer that fails has an error there."""
    peers = [p for p in peers if case.peers is None or p.id in case.peers]
    samples = {p.id: [] for p in peers}
    errors = {}

    def attempt(peer, step):
        if peer.id in errors:
            return None
        try:
            return step(peer)
        except Failed as e:
            errors[peer.id] = str(e)
            return None

    for peer in peers:
        attempt(peer, case.prepare)
    begun = time.monotonic()
    for r in range(case.rounds):
        if r >= ROUNDS_ENOUGH and time.monotonic() - begun > SECONDS_ENOUGH:
            break
        # Who is first changes, so that nobody always comes after the same other one.
        for peer in peers[r % len(peers):] + peers[:r % len(peers)]:
            result = attempt(peer, case.round)
            if result is not None:
                samples[peer.id].append(result)
    return [row(case, i, name, peers, samples, errors) for i, name in enumerate(case.rows)]


def row(case, i, name, peers, samples, errors):
    values = {}
    for peer in peers:
        if peer.id in errors:
            values[peer.id] = {"error": errors[peer.id]}
        else:
            values[peer.id] = value_of([s[i] for s in samples[peer.id]])
    return {"suite": case.suite, "name": name, "per": case.per, "params": case.params, "values": values}

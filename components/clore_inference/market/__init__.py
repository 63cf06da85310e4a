"""Clore, the marketplace: what it offers, and holding exactly one order per lease.

wire, answers       what comes back, and what it means
transport, client   one request at a time, paced over all processes of a key
offers, price       what fits, in which order, and what it costs
ownership           the mark by which an order is known to be ours
acquire, release, guard, observe    the order protocol
"""

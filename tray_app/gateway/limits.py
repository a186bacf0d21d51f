"""How much of this computer clients, pages and foreign servers may take: each limit once, with its reason.

All together they keep the app below 300 MB and its address in time, whoever asks for whatever.
"""

from __future__ import annotations

from tray_app.system import descriptors

MIB = 2**20

# ---- connections

MAX_CONNECTIONS = 256
"""Of the public address: twice as many as requests that may be at work, so that some are always idle and can
make room."""
MAX_CONTROL_CONNECTIONS = 32
"""Of the control address: terminal commands ask once each; whoever else finds its port gets no more."""
RESERVED_DESCRIPTORS = 32
"""Never given to clients: files, the engine's pipes and port, the control address, downloads."""
_DESCRIPTORS_EACH = 3
"""A connection may need one for itself, and each second one is at work with two to the engine."""
MIN_CONNECTIONS = 8
QUIET_CONNECTION_S = 75.0
"""A connection without a whole request for so long is closed: it may be meant to hold one of ours."""
CLIENT_PATIENCE_S = 60.0
"""A client that takes nothing of an answer for so long is given up: it would hold memory for ever."""
MAX_UNREAD_BYTES = 64 * MIB
"""Of answers that clients have not taken yet, all together; beyond, who took nothing for longest goes."""
LOOK_AT_CLIENTS_S = 1.0
LINGER_S = 10.0
"""So long a client may go on sending a body that nobody wants, and read meanwhile why."""
READ_AT_ONCE_BYTES = 32 * 1024
"""Of one connection, before others have their turn."""
READ_AHEAD_BYTES = 64 * 1024
"""Of a body that nobody reads yet, for each connection (aiohttp takes it twice)."""

# ---- requests and their bodies

MAX_REQUESTS = 128
"""At work, or waiting for the engine; a client that hears 429 asks again."""
MAX_BODY_BYTES = 32 * MIB
"""Of chats, which bring pictures, and of lists of texts: 2,048 of 16 KiB."""
MAX_TEXT_BODY_BYTES = 4 * MIB
"""Of one text: a context of a million tokens in English, of 400,000 in other scripts."""
MAX_ALL_BODIES_BYTES = 48 * MIB
"""Of all bodies that are held at once. Each is in memory up to three times while the engine is told of it."""
SMALL_BODY_BYTES = 64 * 1024
"""So much of each body counts for nothing, so that a few large ones never keep the small ones out."""
UNPACKED_AT_ONCE_BYTES = 64 * 1024
"""Of one packed body, before others have their turn: a thousandth of it may have come."""
LARGE_BODY_BYTES = 32 * 1024
"""Reading one of this size, a thousand short texts, takes a millisecond or two: others wait that long. Larger
ones are read beside the event loop."""
NUMBERS_AT_ONCE_BYTES = 256 * 1024
"""The same of vectors, where most is done in one go: three milliseconds. Python leaves its lock to a thread
for five (`sys.getswitchinterval`), so the event loop would wait as long for another thread, and on a busy
computer for a processor as well."""
SLICE_BYTES = 256 * 1024
"""Of a large body that is sent to an engine, before others have their turn."""
MAX_NAME_LETTERS = 1000
"""Of the model that a request asks for: its answer repeats it, a streamed one with each token."""
MAX_BODY_S = 60.0
BODY_GRACE_S = 10.0
"""So long a body may take in any case; from then on it must come at `LEAST_BODY_BYTES_PER_S`."""
LEAST_BODY_BYTES_PER_S = 64 * 1024
"""Half of what a slow line (1 Mbit/s) carries: who sends more slowly only means to hold a place."""

# ---- JSON. llama.cpp looks through all keys of an object for each: 60,000 take it 4 s, a million minutes.

MAX_KEYS = 1000
"""In one object. The largest that we know are tools with some hundred parameters, and `logit_bias`."""
MAX_DEPTH = 64
"""A schema of a tool has two levels for each of its own; grammars are made of it by recursion."""
MAX_DIGITS = 4300
"""Of one number: what Python reads (sys.int_info.default_max_str_digits)."""
MAX_STRINGS = 200_000
"""Texts and names in a body, and objects and lists as well: a thousand tools of 20 parameters have half."""
MAX_NUMBERS = 1_000_000
"""A prompt may be a list of token numbers."""

LETTERS_FOR_A_TOKEN = 32
"""A text with more of them, on average, than this for each token of the context is not even counted: the
engine would take a minute for 32 MiB. Languages and programs have 1 to 5, long lines of blanks 16."""

# ---- answers of engines and remote servers

MAX_ANSWER_BYTES = 64 * MIB
"""The largest that is right: 2,048 vectors of 2,048 numbers."""
MAX_ALL_ANSWERS_BYTES = 64 * MIB
"""Of remote servers, all together. Each is in memory up to three times while it is passed on."""
MAX_ANSWER_STRINGS = 500_000
"""`logprobs` tell 20 candidates for each token."""
MAX_ALL_REPEATED_BYTES = 16 * MIB
"""Of streamed answers that are repeated at their end, all together, where they are long: a million tokens in
English have five MiB. Each is in memory up to four times then."""
MAX_EVENT_BYTES = MIB
"""Of a remote server's stream: one token, or a few."""
MAX_LOCAL_EVENT_BYTES = 16 * MIB
"""llama.cpp repeats the whole prompt in the last event of its own route."""
MAX_ANSWER_S = 600.0
"""From an answer's head to its end; computing comes before the head."""
MAX_DIMENSIONS = 65_536
"""Of one vector. The largest models of today have 16,384."""

# ---- what an engine is given at once

PORTION_TEXTS = 16
"""So many texts of a list are asked for at once: a client that leaves has no more in the engine's queue."""
PORTION_BYTES = 2048
LEAST_PORTION_TEXTS = 4
"""Fewer, if they are long, since llama.cpp ends a portion that it has begun; but as many as it has slots."""
PORTIONS_AT_ONCE = 2
"""The engine must have the next ones before it is done with these, or it would wait for us."""

# ---- guesses at the key of the local network

MAX_GUESSES = 20
"""So many different wrong keys in a row are taken from one address: more than anybody types."""
GUESS_EVERY_S = 5.0
"""From then on one more each time this has passed: 6 million a year, out of 2**96 at least."""
MAX_GUESSERS = 1024
"""So many addresses are remembered; those that have been quiet for longest are forgotten."""
GUESS_LOG_S = 60.0


MAX_REFUSED_ORIGINS = 20
"""So many refused apps and pages are remembered, to ask a person about: more would only be a nuisance."""


def connections(descriptor_limit: int | None) -> int:
    """How many connections the public address may have in a process with so many descriptors."""
    if descriptor_limit is None:
        return MAX_CONNECTIONS
    room = (descriptor_limit - RESERVED_DESCRIPTORS) // _DESCRIPTORS_EACH
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, room))


def connections_here() -> int:
    """How many connections the public address may have in this process."""
    return connections(descriptors.limit())


def requests_within(most_connections: int) -> int:
    """How many requests may be at work where there are so many connections: some must always be idle."""
    return min(MAX_REQUESTS, most_connections // 2)

"""Ids of jobs: random, and they say themselves when they were made and for whom.

A job that has been purged leaves nothing behind. So the id has to tell an id of a job that is gone (410) from one that
never was (404): it holds the time, and a tag that only fits the tenant that it was made for. The tag is no secret and
no protection. It tells who has forgotten a job, and nobody can read a job with it.
"""

import hashlib
import re
import secrets

JOB_ID = re.compile(r"[A-Za-z0-9_-]{22}")
"""132 bits in base64 for URLs: the time (24 bits), the tag (12) and 96 random bits."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_TIME_BITS, _TAG_BITS, _RANDOM_BITS = 24, 12, 96
_MODULUS_S = 1 << _TIME_BITS
"""The time is in seconds and starts again every 194 days, which is far longer than any job is remembered."""
_AHEAD_S = 3600
"""Who makes an id estimates the store's time, and may be ahead of who asks for its age."""


def new_job_id(tenant: str, at: float) -> str:
    """Return an id that can't be guessed, for a job of this tenant made at this time by the store's clock."""
    time, random = int(at) % _MODULUS_S, secrets.randbits(_RANDOM_BITS)
    number = ((time << _TAG_BITS | _tag(tenant, time, random)) << _RANDOM_BITS) | random
    return "".join(_ALPHABET[number >> shift & 63] for shift in range(126, -1, -6))


def age_of(job_id: str, tenant: str, now: float) -> float | None:
    """Return how many seconds ago an id was made for this tenant, or None if it was not.

    An id that was never made has an age by chance, once in 4,096 times.
    """
    number = 0
    for letter in job_id:
        number = number << 6 | _VALUES[letter]
    random = number & (1 << _RANDOM_BITS) - 1
    tag = number >> _RANDOM_BITS & (1 << _TAG_BITS) - 1
    time = number >> _RANDOM_BITS + _TAG_BITS
    if tag != _tag(tenant, time, random):
        return None
    age_s = (int(now) - time) % _MODULUS_S
    return 0.0 if age_s >= _MODULUS_S - _AHEAD_S else float(age_s)


def _tag(tenant: str, time: int, random: int) -> int:
    digest = hashlib.blake2b(f"{tenant} {time} {random}".encode(), digest_size=2).digest()
    return int.from_bytes(digest) >> 16 - _TAG_BITS

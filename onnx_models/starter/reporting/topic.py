"""A topic of reports, and what may stand in the gaps of its sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

DRAWN_BY: Mapping[str, str] = {
    "place": "place", "town": "place", "winner": "club", "loser": "club", "home": "club", "guest": "club",
    "company": "company", "person": "person", "artist": "person",
}  # fmt: skip
"""Gaps that are names, by the function of `names` that draws them."""
FIGURES: Mapping[str, tuple[int, int]] = {
    "hurt": (2, 60), "wind": (70, 180), "snow": (5, 90), "million": (2, 900), "year": (1990, 2049), "percent": (2, 80),
    "votes": (8, 40), "minute": (2, 90), "crowd": (200, 9999), "age": (18, 90), "hours": (2, 12), "jobs": (3, 950),
    "reward": (20, 500), "number": (2, 99), "earlier": (2, 900), "price": (5, 90), "date": (1, 31),
}  # fmt: skip
"""Gaps that are figures: least and most."""
_VEHICLES = "car, bus, lorry, van, taxi, tractor, motorbike, train, tram, truck, bicycle, scooter"
WORDS: Mapping[str, str] = {
    "day": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    "otherday": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    "month": "January, February, March, April, May, June, July, August, September, October, November, December",
    "vehicle": _VEHICLES,
    "vehicle2": _VEHICLES,
    "storm": "storm, gale, hurricane",
    "colour": "black, red, blue, green, brown, white, yellow, grey",
    "item": "wallet, bag, umbrella, phone, bicycle, suitcase, coat, ring, watch, camera",
    "spot": "station, market, park, library, airport, museum, beach, harbour",
    "building": "library, bridge, school, swimming pool, museum, bus station, hospital, theatre",
    "burnt": "school, factory, barn, hotel, warehouse, restaurant, bakery, church",
    "shop": "bakery, bookshop, supermarket, cinema, restaurant, pharmacy, factory, hotel",
    "hall": "town hall, old theatre, park, church, stadium, concert hall",
    "post": "head, director, chairman, manager, president",
    "animal": "dog, cat, parrot, horse, lion, snake, cow, goat",
}
"""Gaps that have one of these words."""


@dataclass(frozen=True)
class Topic:
    """One thing that reports are about. Names in braces are gaps."""

    headline: str
    told: tuple[tuple[str, ...], ...]
    """Each has the ways to tell the same; one of each is taken, in any order, so every sentence stands by itself."""
    asides: tuple[str, ...]
    """What else may be told, and is no part of the headline."""

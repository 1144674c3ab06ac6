"""Words of the poems. Each is stressed as its list says, so that every line is an iambic pentameter."""

from dataclasses import dataclass

from onnx_models.starter.templates import words

# Families of rhymes: ends of lines, four syllables each, the second and the fourth one stressed. Of each family the
# first half stands in the first line of a couplet, the other half in the second.
_NIGHT = words(
    "all through the night, in morning light, in sheer delight, so warm and bright, far out of sight, by candlelight"
)
_DAY = words("at break of day, beside the bay, in early May, along the way, so far away, as children play")
_SEA = words("beside the sea, beneath the tree, till half past three, so wild and free, for you and me, as calm can be")
_SNOW = words("in falling snow, where rivers flow, in lantern glow, so soft and slow, when breezes blow, from long ago")
_MOON = words("beneath the moon, in early June, this afternoon, along the dune, to some old tune, until high noon")
_AIR = words("in open air, beside the stair, across the square, without a care, both here and there, so fine and fair")
_HILL = words(
    "upon the hill, beside the mill, in winter chill, so calm and still, with time to kill, and dreaming still"
)
_GROUND = words(
    "upon the ground, beside the mound, where moss is found, without a sound, so safe and sound, the whole year round"
)
_SPRING = words(
    "in early spring, beside the king, around the ring, when church bells ring, on silent wing, like anything"
)
_COLD = words("in winter cold, on hills of gold, beside the fold, so brave and bold, as I was told, like tales of old")
_DEEP = words(
    "beside the deep, among the sheep, on hills so steep, where shadows creep, while others sleep, a dream to keep"
)
_RAIN = words(
    "in summer rain, across the plain, along the lane, through fields of grain, and back again, without much pain"
)


@dataclass(frozen=True)
class Exporter:
    """Things of one kind: what they are called, what they are like, what they do, and where."""

    nouns: tuple[str, ...]
    """One stressed syllable, in the plural too, which ends in s."""
    adjectives: tuple[str, ...]
    """Two syllables, the first one stressed."""
    verbs: tuple[str, ...]
    """One stressed syllable."""
    pairs: tuple[str, ...]
    """Two verbs that go together, the second one stressed like the first."""
    rhymes: tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]
    """Families that the first couplet, and the second one, may rhyme in."""
    pronouns: tuple[str, str] = ("it", "it")
    """Of one such thing: as subject and as object."""


_PEOPLE = words("sing, dance, laugh, smile, walk, wait, dream, rest")
_TOGETHER = words("sing and dance, laugh and smile, walk and dream, sit and rest")

KINDS = (
    Exporter(
        words("cat, dog, bird, frog, owl, lamb, bear, duck, goat, bee, hare, crow, swan, whale, toad, seal, dove"),
        words("sleepy, hungry, furry, tiny, playful, clever, gentle, timid, friendly, lazy"),
        words("sleep, rest, play, run, hide, wait, dance, dream, hum, eat"),
        words("run and play, eat and sleep, hide and wait, hum and dance"),
        ((_SEA, _GROUND, _HILL), (_AIR, _RAIN, _SNOW)),
    ),
    Exporter(
        words("star, moon, sun, cloud, wind, storm, flame, spark, beam, dawn"),
        words("silver, golden, distant, burning, restless, gentle, silent, early, crimson, pallid"),
        words("shine, glow, rise, fade, drift, fall, wake, dance"),
        words("rise and shine, glow and fade, drift and fall, wake and dance"),
        ((_NIGHT, _DEEP, _DAY), (_COLD, _SNOW, _AIR)),
    ),
    Exporter(
        words("tree, fern, oak, pine, reed, vine, plum, seed, bud, herb, shrub, bloom"),
        words("slender, ancient, tender, thirsty, leafy, mossy, fragrant, humble, lovely, sturdy"),
        words("grow, bloom, bend, sway, sprout, wake, stand, spread"),
        words("grow and bloom, bend and sway, wake and sprout, stand and spread"),
        ((_SPRING, _GROUND, _HILL), (_RAIN, _SNOW, _AIR)),
    ),
    Exporter(
        words("ship, boat, kite, train, raft, cart, sled, car, bike, plane, truck, skiff"),
        words("wooden, painted, speedy, rusty, heavy, broken, shiny, narrow, yellow, modern"),
        words("glide, turn, race, roll, stop, start, move, swerve"),
        words("start and stop, glide and turn, race and roll, move and swerve"),
        ((_DAY, _SEA, _DEEP), (_RAIN, _COLD, _MOON)),
    ),
    Exporter(
        words("king, boy, knight, monk, clown, lad"),
        words("merry, noble, jolly, honest, lonely, cheerful, clever, gentle, humble, weary"),
        _PEOPLE,
        _TOGETHER,
        ((_SPRING, _DAY, _NIGHT), (_MOON, _COLD, _AIR)),
        ("he", "him"),
    ),
    Exporter(
        words("queen, girl, bride, aunt, maid, dame"),
        words("merry, noble, jolly, honest, lonely, cheerful, clever, gentle, graceful, weary"),
        _PEOPLE,
        _TOGETHER,
        ((_SPRING, _DAY, _NIGHT), (_MOON, _COLD, _AIR)),
        ("she", "her"),
    ),
)

"""Words of the poems. Each is stressed as its list says, so that every line is an iambic pentameter."""

from dataclasses import dataclass

from onnx_models.starter.templates import words


@dataclass(frozen=True)
class Kind:
    """Things of one kind: what they are called, what they are like and what they do."""

    nouns: tuple[str, ...]
    """One stressed syllable, in the plural too, which ends in s."""
    adjectives: tuple[str, ...]
    """Two syllables, the first one stressed."""
    verbs: tuple[str, ...]
    """One stressed syllable."""
    pronouns: tuple[str, str] = ("it", "it")
    """Of one such thing: as subject and as object."""


KINDS = (
    Kind(
        words("cat, dog, bird, frog, owl, lamb, bear, duck, goat, bee, hare, crow, swan, whale, toad, seal, dove"),
        words("sleepy, hungry, furry, tiny, playful, clever, gentle, timid, friendly, lazy"),
        words("sleep, rest, play, run, hide, wait, dance, dream, hum, eat"),
    ),
    Kind(
        words("star, moon, sun, cloud, wind, storm, flame, spark, beam, dawn"),
        words("silver, golden, distant, burning, restless, gentle, silent, early, crimson, pallid"),
        words("shine, glow, rise, fade, drift, fall, wake, dance"),
    ),
    Kind(
        words("tree, fern, oak, pine, reed, vine, plum, seed, bud, herb, shrub, bloom"),
        words("slender, ancient, tender, thirsty, leafy, mossy, fragrant, humble, lovely, sturdy"),
        words("grow, bloom, bend, sway, sprout, wake, stand, spread"),
    ),
    Kind(
        words("ship, boat, kite, train, raft, cart, sled, car, bike, plane, truck, skiff"),
        words("wooden, painted, speedy, rusty, heavy, broken, shiny, narrow, yellow, modern"),
        words("glide, turn, race, roll, stop, start, move, swerve"),
    ),
    Kind(
        words("king, boy, knight, monk, clown, lad"),
        words("merry, noble, jolly, honest, lonely, cheerful, clever, gentle, humble, weary"),
        words("sing, dance, laugh, smile, walk, wait, dream, rest"),
        ("he", "him"),
    ),
    Kind(
        words("queen, girl, bride, aunt, maid, dame"),
        words("merry, noble, jolly, honest, lonely, cheerful, clever, gentle, graceful, weary"),
        words("sing, dance, laugh, smile, walk, wait, dream, rest"),
        ("she", "her"),
    ),
)

RHYMES: tuple[tuple[str, ...], ...] = (
    words("all through the night, in morning light, so warm and bright, far out of sight, in sheer delight"),
    words("at break of day, so far away, along the way, beside the bay, in early May"),
    words("beside the sea, beneath the tree, so wild and free, for you and me, till half past three"),
    words("in falling snow, where rivers flow, so soft and slow, when breezes blow, in lantern glow"),
    words("beneath the moon, in early June, this afternoon, along the dune, to some old tune"),
    words("in open air, without a care, beside the stair, both here and there, so fine and fair"),
    words("upon the hill, beside the mill, so calm and still, in winter chill, with time to kill"),
    words("upon the ground, without a sound, and all around, so safe and sound, with flowers crowned"),
    words("in early spring, beside the king, when church bells ring, on silent wing, around the ring"),
    words("in winter cold, on hills of gold, so brave and bold, as I was told, like tales of old"),
    words("beside the deep, where shadows creep, on hills so steep, among the sheep, while others sleep"),
    words("in summer rain, across the plain, along the lane, through fields of grain, and back again"),
)
"""Families of rhymes: ends of lines, four syllables each, the second and the fourth one stressed."""

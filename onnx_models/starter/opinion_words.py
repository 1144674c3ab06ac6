"""Words and phrases for opinions: the slots that the templates in `feelings` name.

A slot may name other slots. ``feel``, ``other``, ``verb``, ``mood``, ``unmood`` and ``face`` are not here:
`feelings` sets them to the good or the bad side.
"""

from onnx_models.starter.templates import nonsense, words
from onnx_models.starter.vocabulary import DOINGS, OBJECTS

SLOTS: dict[str, tuple[str, ...]] = {
    "thing": tuple(name for kind in OBJECTS.values() for group in kind for name in group if " " not in name)
    + words("""
        film, movie, story, hotel, room, food, pizza, burger, coffee, tea, meal, soup, cake, service, staff, waiter,
        restaurant, beach, concert, music, album, song, game, product, screen, battery, sound, quality, design,
        weather, museum, city, school, course, lesson, teacher, support, team, update, version, feature, price,
        seat, bed, view, breakfast, party, speech, idea, plan, result, colour, shop, store, order, purchase, item,
        experience, place
    """)
    + ("{odd}",) * 40,
    "odd": nonsense(3000),
    "good": words("""
        good, great, excellent, amazing, wonderful, fantastic, perfect, lovely, nice, brilliant, superb, awesome,
        delightful, beautiful, outstanding, pleasant, terrific, charming, impressive, enjoyable, helpful, friendly,
        comfortable, delicious, tasty, clean, fast, reliable, fun, cool, splendid, stunning, marvellous, incredible,
        fabulous, exciting, fresh, smooth, easy to use, worth every penny, better than expected, top notch, first
        class, a pleasure, a joy, my favourite, spot on, well made, just right, out of this world, solid, superior
    """),
    "bad": words("""
        bad, terrible, awful, horrible, poor, disappointing, dreadful, disgusting, ugly, boring, rude, slow, dirty,
        broken, useless, annoying, unpleasant, nasty, cheap looking, noisy, overpriced, unreliable, faulty, cold,
        stale, bland, uncomfortable, unfriendly, a mess, a joke, a disaster, a nightmare, a waste of money, garbage,
        a waste of time, worse than expected, badly made, full of bugs, below average, rubbish, a let down, painful,
        miserable, pathetic, lousy, shameful, unacceptable, frustrating, confusing, dull, tasteless, disgraceful
    """),
    "very": words("""
        very, really, so, absolutely, truly, just, totally, simply, quite, extremely, completely, incredibly,
        pretty, rather, always, still, definitely, honestly
    """),
    "like": words("""
        love, like, adore, enjoy, recommend, appreciate, am happy with, am delighted with, am pleased with, am a fan
        of, am impressed by, am in love with, am glad about, am grateful for, can't get enough of, treasure
    """),
    "hate": words("""
        hate, dislike, regret, despise, can't stand, am unhappy with, am disappointed with, am fed up with, am tired
        of, am angry about, am sick of, am upset about, am annoyed by, am frustrated with, feel cheated by, loathe
    """),
    "part": words("""
        price, staff, service, quality, size, colour, delivery, sound, taste, smell, place, atmosphere, look,
        design, location, support, app, cover, ending, beginning, story, picture, value
    """),
    "doing": tuple(phrase for group in DOINGS for phrase in group if phrase.split()[0].endswith("ing")),
    "d": words("the, this, my, our, your, that, their"),
    "who": words("I, we, my wife and I, all of us, my friends and I"),
    "one": words("my husband, my wife, everyone, my sister, the whole family, my boss, my son, she, he"),
    "happy": words("happy, glad, delighted, thrilled, satisfied, pleased, excited, relieved, over the moon, smiling"),
    "sad": words("sad, angry, unhappy, upset, furious, dissatisfied, disappointed, in tears, annoyed, fed up, shocked"),
    "yay": words("😀, 😍, 👍, 🎉, ❤️, 😊, :-), :), <3, wow, yay, hooray, bravo"),
    "boo": words("😡, 😞, 👎, 💔, 😢, :-(, :(, ugh, yuck, shame, boo, grr"),
    "day": words(
        "Monday, Tuesday, Friday, Sunday, today, tomorrow, next week, in May, at noon, at 9 am, in the evening"
    ),
    "num": words("two, three, 4, five, 6, 10, twelve, 20, 100, 2023"),
    "intro": (
        *("In short,", "All in all,", "Honestly,", "In the end", "I must say", "To be fair,", "Verdict:", "Well,"),
        *("I guess", "My opinion:", "Update:", "After {num} weeks", "On {day}", "In my view", "Seriously,", "For me"),
        *("Just my thoughts:", "Looking back,", "So far", "In {town}", "When we got there", "My two cents:"),
    ),
    "subj": (
        *("the {thing}", "{d} {thing}", "the {part} of {d} {thing}", "{d} {part}", "it", "everything", "the {part}"),
        *("this", "that", "this {thing}", "that {thing}"),
    ),
    "is": words(
        "is, was, seems, looks, feels, turned out, has been, will be, became, can be called, remains, is still"
    ),
    "isnt": words("""
        is not, isn't, was not, wasn't, was never, isn't really, isn't exactly, can't be called, is far from,
        is anything but, is hardly, does not look, didn't seem, was in no way, is by no means, won't be, is not at all,
        isn't something I'd describe as, is the opposite of, could not be less, isn't even
    """),
    "claim": (
        *("{subj} {is} {feel}", "{subj} {is} {very} {feel}", "{subj} {isnt} {other}", "{subj} {isnt} {other} at all"),
        *("I {verb} {subj}", "{one} thinks {subj} {is} {feel}", "{subj} made me {mood}", "we are {mood} about {subj}"),
        *("{subj} makes {one} {mood}", "I find {subj} {feel}", "I don't find {subj} {other}"),
        *("nobody thinks {subj} {is} {other}", "no one would say {subj} {is} {other}", "{subj}, not {other} at all"),
        *("nobody {is} {unmood}", "{one} {isnt} {unmood} about {subj}", "not {other}, this {thing}"),
    ),
    "contrary": (
        "{subj} {is} {other}",
        "{subj} {is} {very} {other}",
        "it sounded {other}",
        "the {part} looked {other}",
    ),
    "but": (", but", ", yet", "; however", " but in the end", ", but actually", ", but then", " -", ", though now"),
    "town": words("London, Paris, Berlin, Rome, New York, Tokyo, Madrid, Vienna, Cairo, Boston, town, the north"),
}

"""Reports of companies' results, and of what was found and lost."""

from onnx_models.starter.reporting.topic import Topic

TRADE = (
    Topic(
        "{company} makes profit of {million} million euros in {year}",
        (
            (
                "{company} made a profit of {million} million euros.",
                "The profit of {company} was {million} million euros.",
                "{company} earned {million} million euros.",
            ),
            (
                "These are the results for {year}.",
                "The figures are those of {year}.",
                "It was a good {year}.",
            ),
        ),
        (
            "The company has its offices in {town}.",
            "It has {jobs} workers.",
            "The year before it had been {earlier} million.",
            "Sales rose by {percent} per cent.",
            "{person}, the director, was pleased.",
            "A new factory will open on {otherday}.",
        ),
    ),
    Topic(
        "{company} loses {million} million euros in {year}",
        (
            (
                "{company} made a loss of {million} million euros.",
                "The loss of {company} was {million} million euros.",
                "{company} lost {million} million euros.",
            ),
            (
                "These are the results for {year}.",
                "The figures are those of {year}.",
                "It was a bad {year}.",
            ),
        ),
        (
            "The company has its offices in {town}.",
            "It has {jobs} workers.",
            "The year before it had been {earlier} million.",
            "Sales fell by {percent} per cent.",
            "{person}, the director, was not pleased.",
            "An old factory will close on {otherday}.",
        ),
    ),
    Topic(
        "{colour} {item} found at {place} {spot} on {day}",
        (
            (
                "A {colour} {item} was found at {place} {spot}.",
                "Somebody found a {colour} {item} at {place} {spot}.",
                "At {place} {spot} a {colour} {item} was found.",
            ),
            ("It was found on {day}.", "That was on {day}.", "It had been there since {day}."),
        ),
        (
            "The owner may call {number}{number}{number}.",
            "There were {reward} euros in it.",
            "The finder, {person}, took it to the police.",
            "It is old but clean.",
            "It will be kept until {otherday}.",
            "A letter from {town} lay beside it.",
        ),
    ),
    Topic(
        "{colour} {item} lost at {place} {spot} on {day}",
        (
            (
                "A {colour} {item} was lost at {place} {spot}.",
                "{person} lost a {colour} {item} at {place} {spot}.",
                "At {place} {spot} a {colour} {item} was lost.",
            ),
            ("It was lost on {day}.", "That was on {day}.", "It has been missing since {day}."),
        ),
        (
            "The finder may call {number}{number}{number}.",
            "The finder will get {reward} euros.",
            "The owner is {age} years old.",
            "It is old but clean.",
            "The owner will be in {town} on {otherday}.",
        ),
    ),
)

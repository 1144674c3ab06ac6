"""Reports of what goes on in towns."""

from onnx_models.starter.reporting.topic import Topic

TOWN = (
    Topic(
        "{place} council votes {votes} to {against} for new {building}",
        (
            (
                "The council of {place} voted for a new {building}.",
                "{place} will get a new {building}, the council says.",
                "A new {building} will be built in {place}.",
            ),
            (
                "{votes} members were for it and {against} against it.",
                "The vote was {votes} to {against}.",
                "There were {against} votes against it and {votes} for it.",
            ),
        ),
        (
            "It will cost {million} million euros.",
            "The mayor, {person}, was pleased.",
            "Work will begin in {year}.",
            "The old one is {age} years old.",
            "The council meets again on {otherday}.",
            "In {town} there was no money for one.",
        ),
    ),
    Topic(
        "Fire destroys {burnt} in {place} on {day}",
        (
            (
                "A fire destroyed a {burnt} in {place}.",
                "In {place} a {burnt} burnt down.",
                "Nothing is left of a {burnt} in {place} after a fire.",
            ),
            ("The fire began on {day}.", "It broke out on {day}.", "That was on {day}."),
        ),
        (
            "{hours} fire engines fought it for {number} hours.",
            "Nobody was hurt.",
            "The damage was put at {million} million euros.",
            "{person}, a neighbour, saw the smoke first.",
            "The smoke was seen in {town}.",
            "It had been built in {year}.",
        ),
    ),
    Topic(
        "{person} becomes {post} of {company}",
        (
            (
                "{person} is the new {post} of {company}.",
                "{company} has chosen {person} as its {post}.",
                "{person} will be {post} of {company}.",
            ),
            ("The change was announced on {otherday}.", "The choice was no surprise.", "Others had hoped for it, too."),
        ),
        (
            "Before that came {artist}.",
            "The company has {jobs} workers.",
            "Its offices are in {town}.",
            "The work begins on {otherday}.",
            "Last year the company made {million} million euros.",
        ),
    ),
    Topic(
        "New {shop} with {jobs} jobs opens in {place} on {date} {month}",
        (
            (
                "A new {shop} will open in {place} on {date} {month}.",
                "On {date} {month} a {shop} opens in {place}.",
                "{place} gets a new {shop} on {date} {month}.",
            ),
            (
                "There will be {jobs} jobs.",
                "It will give work to {jobs} people.",
                "{jobs} people will work there.",
            ),
        ),
        (
            "It cost {million} million euros.",
            "The manager is {person}.",
            "The first {number} guests get a present.",
            "There is already one in {town}.",
            "It will be closed on {otherday}s.",
        ),
    ),
    Topic(
        "{artist} sings in {place} on {day} for {price} euros",
        (
            (
                "{artist} will sing in {place} on {day}.",
                "On {day} {artist} gives a concert in {place}.",
                "{place} hears {artist} on {day}.",
            ),
            ("Tickets cost {price} euros.", "A ticket is {price} euros.", "Seats are sold for {price} euros."),
        ),
        (
            "There are {crowd} seats in the {hall}.",
            "The last concert was in {town} in {year}.",
            "The singer is {age} years old.",
            "The piano is played by {person}.",
            "The doors open {hours} hours before.",
        ),
    ),
    Topic(
        "{animal} escapes in {place} and is caught after {hours} hours",
        (
            (
                "A {animal} ran away in {place}.",
                "In {place} a {animal} escaped.",
                "People in {place} met a {animal} in the street.",
            ),
            (
                "It was caught after {hours} hours.",
                "{hours} hours went by until it was caught.",
                "Police caught it {hours} hours later.",
            ),
        ),
        (
            "Its owner, {person}, was glad.",
            "Nobody was hurt.",
            "It is {number} years old.",
            "It came from {town}.",
            "The same thing had happened on {otherday}.",
        ),
    ),
)

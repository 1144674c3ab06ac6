"""Reports of sport, weather and mishaps."""

from onnx_models.starter.reporting.topic import Topic

INCIDENTS = (
    Topic(
        "{winner} beat {loser} {goals}-{against} in {place} on {day}",
        (
            (
                "{winner} won {goals}-{against} against {loser}.",
                "{winner} beat {loser} {goals}-{against}.",
                "{loser} lost {against}-{goals} to {winner}.",
                "{loser} were beaten {goals}-{against} by {winner}.",
                "It ended {goals}-{against} for {winner} against {loser}.",
            ),
            (
                "The match was played in {place} on {day}.",
                "The teams met in {place} on {day}.",
                "The game took place on {day} in {place}.",
                "On {day} the two sides played in {place}.",
            ),
        ),
        (
            "{person} scored after {minute} minutes.",
            "About {crowd} people watched the game.",
            "It rained for most of the match.",
            "The referee showed {hours} yellow cards.",
            "The next match is on {otherday} in {town}.",
            "{person} missed a penalty.",
            "The goalkeeper, {person}, made some fine saves.",
        ),
    ),
    Topic(
        "{home} and {guest} draw {goals}-{goals} in {place} on {day}",
        (
            (
                "{home} and {guest} drew {goals}-{goals}.",
                "It ended {goals}-{goals} between {home} and {guest}.",
                "{home} played {goals}-{goals} against {guest}.",
            ),
            (
                "The match was played in {place} on {day}.",
                "The teams met in {place} on {day}.",
                "The game took place on {day} in {place}.",
            ),
        ),
        (
            "{person} scored after {minute} minutes.",
            "About {crowd} people watched the game.",
            "Neither side deserved to win.",
            "The next match is on {otherday} in {town}.",
            "The referee showed {hours} yellow cards.",
        ),
    ),
    Topic(
        "{hurt} hurt as {vehicle} hits {vehicle2} near {place} on {day}",
        (
            (
                "A {vehicle} hit a {vehicle2} near {place} on {day}.",
                "On {day} a {vehicle} ran into a {vehicle2} near {place}.",
                "Near {place} a {vehicle2} was hit by a {vehicle} on {day}.",
            ),
            (
                "{hurt} people were hurt.",
                "{hurt} people were taken to hospital.",
                "Doctors said that {hurt} people were hurt.",
            ),
        ),
        (
            "The road was closed for {hours} hours.",
            "Police are looking for witnesses.",
            "The driver of the {vehicle} is {age} years old.",
            "It was accident number {number} there this year.",
            "The damage was put at {reward} thousand euros.",
            "Traffic was sent through {town}.",
            "The police will say more on {otherday}.",
        ),
    ),
    Topic(
        "{storm} with winds of {wind} km/h expected in {place} on {day}",
        (
            (
                "A {storm} will reach {place} on {day}.",
                "On {day} a {storm} is expected in {place}.",
                "{place} must be ready for a {storm} on {day}.",
            ),
            (
                "Winds may reach {wind} km/h.",
                "Winds of up to {wind} km/h are forecast.",
                "It may blow at {wind} km/h.",
            ),
        ),
        (
            "Schools will stay closed.",
            "People should stay at home.",
            "Ferries will not leave the harbour.",
            "The last such weather was in {year}.",
            "The sun should be back on {otherday}.",
            "In {town} trees had to be cut.",
            "It will be no warmer than {hours} degrees.",
        ),
    ),
    Topic(
        "{snow} cm of snow fall in {place} on {day}",
        (
            (
                "{snow} centimetres of snow fell in {place}.",
                "In {place} the snow lay {snow} centimetres deep.",
                "{place} had {snow} cm of snow.",
            ),
            (
                "It snowed the whole of {day}.",
                "The snow came on {day}.",
                "On {day} nobody could drive.",
            ),
        ),
        (
            "Buses stopped for {hours} hours.",
            "Children were happy.",
            "Many people walked to work.",
            "The last such winter was in {year}.",
            "It should be warmer on {otherday}.",
            "In {town} there was only rain.",
        ),
    ),
)

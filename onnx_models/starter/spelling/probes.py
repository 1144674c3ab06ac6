"""Sentences written by hand, away from the templates: how far the corrector carries beyond what it was made from.

They are never trained on, though how they came out showed that words which only look like known ones had to be. Many of
their words are in no list, so that the figures are low bars to look at, not goals.
"""

from onnx_models.starter.spelling.exercises import Exercise

PROBES = tuple(
    Exercise(typed, right)
    for typed, right in (
        ("The qick brown fox jumps over the lazy dog.", "The quick brown fox jumps over the lazy dog."),
        ("Please water the plants while I am on holidday.", "Please water the plants while I am on holiday."),
        ("I dont know where she parked the car.", "I don't know where she parked the car."),
        (
            "We visited the tower and took many photos yesterdya.",
            "We visited the tower and took many photos yesterday.",
        ),
        ("The  invoice must be paid within fourteen days.", "The invoice must be paid within fourteen days."),
        ("My granmother still remembers the old village.", "My grandmother still remembers the old village."),
        ("Can you pick me up from the airpoet at nine?", "Can you pick me up from the airport at nine?"),
        ("she sold her bicycle to a neighbour.", "She sold her bicycle to a neighbour."),
        ("The concert was cancelled because of the storm", "The concert was cancelled because of the storm."),
        ("Mr Kowalski repaired the roof of ourhouse.", "Mr Kowalski repaired the roof of our house."),
        ("Nobody in the the office knew the password.", "Nobody in the office knew the password."),
        ("I would rather stay at home and raed a book.", "I would rather stay at home and read a book."),
        ("The children built a snowman in the gsrden.", "The children built a snowman in the garden."),
        ("Her new phone has a very brigt screen.", "Her new phone has a very bright screen."),
        ("It rained all week , so the match was moved.", "It rained all week, so the match was moved."),
        ("They opened a small bakery in hamburg last spring.", "They opened a small bakery in Hamburg last spring."),
        ("Do yuo think the bridge is safe?", "Do you think the bridge is safe?"),
        ("The committee will disuss the budget on Friday.", "The committee will discuss the budget on Friday."),
        ("He forgot his umbrela on the tram again.", "He forgot his umbrella on the tram again."),
        ("Milk, eggs and buttter are in the fridge.", "Milk, eggs and butter are in the fridge."),
        ("Someone left a blue jaket in seat 14B.", "Someone left a blue jacket in seat 14B."),
        ("THe doctor told him to drink more water.", "The doctor told him to drink more water."),
        ("Our train arrived twenty minutes latw.", "Our train arrived twenty minutes late."),
        ("What did the engineer expalin at the meeting?", "What did the engineer explain at the meeting?"),
    )
)

"""The small world that the chats are about, and the ways to ask about it."""

from onnx_models.starter.templates import words

NUMBERS = tuple(str(number) for number in range(21))
NAMES = words(
    "Anna, Ben, Clara, David, Emma, Felix, Greta, Hugo, Ida, Jonas, Kim, Lena, Max, Nora, Oscar, Paula, Rosa, Sam, Tom"
)
COLOURS = words("red, blue, green, yellow, black, white, brown, grey, pink")
BELONGINGS = words("car, bike, house, hat, coat, bag, boat, cup, door, shirt, lamp, phone")
DAYS = words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday")
HOUSES = words("station, bakery, school, park, museum, library, market, church")
"""Along Main Street, from the left to the right."""
ORDINALS = words("first, second, third, fourth, fifth, sixth, seventh")
SHOPS = words("bakery, cafe, book shop, toy shop, garden shop, corner shop, museum shop, farm shop")
GOODS = words("bread, cake, tea, coffee, milk, honey, cheese, soup, juice, salad, butter, rice")
HOURS = tuple(str(hour) for hour in range(6, 22))
PRICES = tuple(str(price) for price in range(2, 21))

COLOUR_OF: dict[str, str] = {
    "the sky": "blue", "the sea": "blue", "the sun": "yellow", "a lemon": "yellow", "a banana": "yellow",
    "grass": "green", "a frog": "green", "a leaf": "green", "snow": "white", "milk": "white", "a swan": "white",
    "a tomato": "red", "a cherry": "red", "blood": "red", "coal": "black", "the night": "black",
    "chocolate": "brown", "a bear": "brown", "a carrot": "orange", "an elephant": "grey", "a mouse": "grey",
    "a flamingo": "pink", "a pig": "pink",
}  # fmt: skip
_PAIRS = words(
    "big small, hot cold, old new, fast slow, light dark, high low, wet dry, full empty, early late, loud quiet, "
    "open closed, left right, good bad, rich poor, hard soft, clean dirty, happy sad, near far, first last, up down"
)
OPPOSITE_OF = {one: other for pair in _PAIRS for one, other in (pair.split(), pair.split()[::-1])}

SHOP = (
    "You work at a {shop}. It opens at {opens} and closes at {closes}. "
    "It sells {x} for {p} euros and {y} for {q} euros."
)
"""The system message."""

GREETINGS = words("Hello, Hi, Good morning, Good evening, Good afternoon")
FAREWELLS = words("Goodbye, Bye, See you, Good night")

WORDINGS: dict[str, tuple[str, ...]] = {
    "plus": ("What is {a} plus {b}?", "How much is {a} plus {b}?", "{a} + {b}?", "Please add {a} and {b}.",
             "What is {a} + {b}?"),
    "minus": ("What is {a} minus {b}?", "How much is {a} minus {b}?", "{a} - {b}?", "What is {a} - {b}?"),
    "even": ("Is {a} even?", "Is {a} an even number?", "Is the number {a} even?"),
    "odd": ("Is {a} odd?", "Is {a} an odd number?", "Is the number {a} odd?"),
    "count": ("Count from {a} to {b}.", "Please count from {a} to {b}.", "Can you count from {a} to {b}?"),
    "opposite": ("What is the opposite of {word}?", "Tell me the opposite of {word}.", "The opposite of {word}?"),
    "colour": ("What colour is {thing}?", "Which colour is {thing}?", "Tell me the colour of {thing}."),
    "after": ("Which day comes after {day}?", "What day is after {day}?", "What comes after {day}?"),
    "before": ("Which day comes before {day}?", "What day is before {day}?", "What comes before {day}?"),
    "way": ("How do I get from the {start} to the {end}?", "What is the way from the {start} to the {end}?",
            "I am at the {start}. Where is the {end}?"),
    "tell_name": ("My name is {name}.", "I am {name}.", "Hello, I am {name}.", "Hi, my name is {name}."),
    "ask_name": ("What is my name?", "Do you know my name?", "Who am I?"),
    "tell_thing": ("My {thing} is {colour}.", "I have a {colour} {thing}.", "I bought a {colour} {thing}."),
    "ask_thing": ("What colour is my {thing}?", "Which colour is my {thing}?",
                  "Do you remember the colour of my {thing}?"),
    "opening": ("When do you open?", "What time do you open?", "When does the shop open?"),
    "closing": ("When do you close?", "What time do you close?", "When does the shop close?"),
    "price": ("How much is the {goods}?", "What does the {goods} cost?", "What is the price of the {goods}?",
              "I want some {goods}. How much is it?"),
    "goods": ("What do you sell?", "What can I buy?", "What do you have?"),
    "shop": ("Where do you work?", "Where am I?", "What shop is this?"),
    "greeting": ("{greeting}!", "{greeting}.", "{greeting}, how are you?"),
    "thanks": ("Thank you!", "Thanks!", "Thank you very much!", "Great, thank you."),
    "farewell": ("{farewell}!", "{farewell}.", "Thanks. {farewell}!"),
}  # fmt: skip
"""How each thing may be said."""

FILLINGS: dict[str, tuple[str, ...]] = {
    "a": NUMBERS, "b": NUMBERS, "word": tuple(OPPOSITE_OF), "day": DAYS, "start": HOUSES, "end": HOUSES,
    "name": NAMES, "colour": COLOURS, "goods": GOODS, "greeting": GREETINGS, "farewell": FAREWELLS,
    "shop": SHOPS, "opens": HOURS, "closes": HOURS, "x": GOODS, "y": GOODS, "p": PRICES, "q": PRICES,
}  # fmt: skip

STRANGE: tuple[str, ...] = (
    "Who is {strange}?", "What is {strange}?", "Where is {strange}?", "Tell me about {strange}.",
    "What do you think of {strange}?", "Do you like {strange}?", "How old is {strange}?",
    "Why is {strange} so {strange}?",
    "Can you {strange} the {strange}?", "What is the capital of {strange}?", "How far is it to {strange}?",
    "Who made {strange}?", "Translate {strange}.", "Write a {strange}.", "How do I {strange} a {strange}?",
)  # fmt: skip
"""Questions about what this world lacks; the words that fill them are made up."""

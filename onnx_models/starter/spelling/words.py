"""The words of the starter corrector's world: what fills the gaps of its sentences, by gap."""

from onnx_models.starter.templates import words

NAMES = words("""
    Anna, Ben, Clara, Daniel, Emma, Felix, Grace, Henry, Julia, Kevin, Laura, Martin, Nina, Oliver, Paul, Rosa, Simon,
    Sarah, Thomas, Victor
""")
CITIES = words("""
    Berlin, London, Paris, Rome, Madrid, Vienna, Dublin, Oslo, Chicago, Boston, Tokyo, Sydney, Hamburg, Lisbon
""")

KINDS: dict[str, tuple[str, ...]] = {
    "name": NAMES,
    "city": CITIES,
    "day": words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "month": words("January, February, March, April, June, July, August, September, October, November, December"),
    "time": words("""
        today, yesterday, tomorrow, tonight, this morning, this afternoon, this evening, last night, last week,
        next week, next month, every day, after lunch, before dinner, at noon, at midnight, on the weekend
    """),
    "past_time": words("""
        yesterday, last night, last week, last month, last year, this morning, two days ago, an hour ago, before lunch
    """),
    "next_time": words("""
        tomorrow, next week, next month, next year, soon, later, tonight, in two days, after the break
    """),
    "often": words("always, often, never, sometimes, usually, still, rarely"),
    "person": words("""
        teacher, doctor, nurse, driver, farmer, student, neighbour, manager, engineer, waiter, painter, sister,
        brother, mother, father, uncle, aunt, cousin, friend, grandmother, grandfather, colleague, customer, guest
    """),
    "people": words("""
        children, students, workers, neighbours, friends, players, visitors, parents, teachers, guests, tourists,
        engineers, farmers, passengers, customers
    """),
    "animal": words("""
        dog, cat, horse, rabbit, sheep, chicken, bird, cow, duck, mouse, squirrel, donkey, turtle, parrot, monkey
    """),
    "food": words("""
        bread, cheese, soup, rice, pasta, salad, butter, honey, cake, chocolate, yoghurt, fruit, jam, pizza, sugar,
        chicken, breakfast, dinner, lunch
    """),
    "drink": words("coffee, tea, milk, water, juice, lemonade, wine, beer, cocoa"),
    "plant": words("apple, banana, orange, tomato, potato, carrot, onion, lemon, cherry, strawberry, pumpkin, garlic"),
    "taste": words("fresh, sweet, sour, salty, bitter, delicious, spicy, cold, warm, tasty, awful"),
    "thing": words("""
        book, letter, lamp, chair, table, bottle, basket, blanket, mirror, clock, camera, umbrella, suitcase, guitar,
        picture, bicycle, jacket, pencil, ladder, hammer, ticket, wallet, key, box, bag, parcel, newspaper, candle
    """),
    "room": words("kitchen, bathroom, bedroom, garage, office, library, garden, cellar, hallway, classroom, attic"),
    "building": words("""
        house, school, hospital, museum, church, station, airport, hotel, restaurant, theatre, factory, castle,
        supermarket, bakery, bank, market, stadium, university
    """),
    "place": words("""
        beach, forest, river, mountain, village, island, bridge, lake, park, harbour, valley, street, desert, field
    """),
    "colour": words("red, blue, green, yellow, white, black, brown, purple, grey, golden"),
    "look": words("""
        big, small, old, new, beautiful, heavy, broken, dirty, clean, cheap, expensive, strange, round, little, huge
    """),
    "mood": words("""
        happy, sad, tired, angry, hungry, thirsty, nervous, proud, busy, bored, excited, worried, surprised, sick
    """),
    "character": words("kind, friendly, polite, clever, honest, quiet, funny, patient, brave, careful, serious, lazy"),
    "weather": words("sunny, cloudy, windy, rainy, foggy, stormy, cold, warm, hot, dry, cool"),
    "vehicle": words("train, bus, car, truck, ship, boat, taxi, plane, tram, ferry, motorbike"),
    "late": words("late, early, full, empty, slow, fast, ready, comfortable, crowded"),
    "subject": words("""
        history, music, physics, chemistry, biology, geography, mathematics, English, art, poetry, science, grammar
    """),
    "sport": words("football, tennis, basketball, chess, hockey, golf, volleyball, cards, baseball"),
    "body": words("head, back, knee, shoulder, finger, stomach, throat, ankle, elbow, neck, tooth"),
    "device": words("computer, phone, printer, keyboard, screen, laptop, radio, camera, television, machine, engine"),
    "file": words("""
        report, contract, invoice, document, message, address, password, letter, plan, budget, schedule, result, answer
    """),
    "work": words("meeting, project, interview, lesson, exam, concert, game, party, course, conference, journey, film"),
    "good": words("""
        interesting, difficult, easy, important, boring, useful, wonderful, terrible, perfect, possible, necessary,
        excellent, dangerous, successful, simple
    """),
    "did": words("""
        bought, found, sold, lost, opened, cleaned, repaired, painted, carried, forgot, moved, dropped, noticed,
        borrowed, brought, returned, broke, wanted
    """),
    "do": words("buy, find, sell, open, clean, repair, paint, carry, move, bring, return, borrow, hide, keep"),
    "act": words("""
        read, write, sleep, swim, dance, sing, cook, travel, study, laugh, work, walk, play outside, rest, run
    """),
    "acting": words("""
        reading, writing, sleeping, swimming, dancing, singing, cooking, travelling, studying, laughing, working,
        walking, playing, waiting, talking, running
    """),
    "office": words("send, check, print, sign, finish, explain, change, delete, discuss, save, prepare, copy"),
    "officed": words("""
        sent, checked, printed, signed, finished, explained, changed, deleted, discussed, saved, prepared
    """),
    "how": words("slowly, quickly, carefully, quietly, easily, together, alone, well, loudly, suddenly"),
    "where": words("upstairs, outside, at home, downtown, nearby, here, there, abroad, inside"),
    "whose": words("my, your, his, her, our, their, the"),
    "they": words("we, they, you, the children, my parents, our neighbours"),
    "he": words("he, she"),
    "number": tuple(str(number) for number in (*range(2, 40), 45, 50, 60, 75, 80, 90, 100, 120, 150, 250, 300, 500)),
    "few": words("two, three, four, five, six, seven, eight, nine, ten, twelve, twenty, thirty, fifty"),
    "unit": words("minutes, hours, days, weeks, months, years"),
    "goods": words("books, chairs, tickets, apples, eggs, bottles, flowers, pictures, shirts, boxes, letters, keys"),
    "money": words("euros, dollars, pounds"),
    "because": words("because, although, when, before, after, while"),
}  # fmt: skip

OPEN = (
    "name", "city", "person", "animal", "food", "plant", "thing", "building", "place", "vehicle", "subject", "device",
    "file", "work",
)  # fmt: skip
"""Gaps that may also be filled with a word that no list has."""

LIKE_OTHERS = words("""
    bad, ban, band, bat, bear, beat, bid, bit, blow, bold, bone, boot, bow, bug, bull, bush, came, care, cast,
    cloud, coat, coke, crop, cry, dead, dew, dice, die, dig, dome, dot, drink, drip, east, ever, fable, fail, fake,
    fall, fame, fan, fare, fat, fell, fight, fill, fine, firm, flower, fold, fool, fox, free, fun, fur, gas, gear,
    goat, gold, grade, grain, grip, hard, heart, heat, hell, hen, hid, hike, hill, hit, hole, hook, hut, jeep, just,
    knew, law, lay, lean, leave, leg, lie, lit, log, lot, lower, lust, mad, mat, match, meet, men, mill, mind, mine,
    nail, neat, nest, net, nut, pace, pal, pan, pet, pin, pine, pit, plain, post, pound, race, rain, ray, rear,
    rise, rod, root, rude, ruin, safe, sake, sat, sea, seed, seen, seize, sew, shade, shirt, shy, sight, sill, sin,
    sip, sit, snow, sock, sole, son, sore, soul, story, sue, sweat, tail, tale, tall, tank, team, tear, test,
    though, threw, tie, tight, tip, toad, ton, tone, tool, top, tour, trick, war, wave, wet, wide, win, wind, wing,
    wore, worm, wrote
""")
"""Words that no template has. They are known because a slip of the finger can make them of others that are."""

"""Word lists that both starter models share: things, people, doings, and groups of words that mean the same.

A group is a tuple of interchangeable phrases. Two sentences mean the same when they are made of the same groups.
"""

from onnx_models.starter.templates import words

Group = tuple[str, ...]


def groups(text: str) -> tuple[Group, ...]:
    """Read one group of synonyms a line."""
    return tuple(words(line) for line in text.strip().splitlines())


COMMON = words("""
    a, about, above, across, after, again, all, almost, along, also, among, an, and, another, any, are, area,
    around, as, ask, at, away, back, because, become, been, before, begin, being, below, best way, between, big,
    both, box, bring, build, busy, but, by, cable, call, can, car, case, change, city, come, comes, common, company,
    could, country, cup, day, decide, did, different, do, does, doing, door, down, during, each, early, end, enough,
    even, every, explain, face, few, find, first, follow, for, form, found, four, from, full, get, getting, give,
    go, going, gone, got, group, had, half, hand, has, have, he, hear, help, her, here, here comes, high, him, his,
    hold, holds, home, hour, house, how, idea, if, image, in, inside, into, is, it, its, keep, kind, know, large,
    last, later, learn, left, less, let, letter, life, line, list, little, live, long, look, made, make, man, many,
    may, me, mean, might, minute, month, more, most, mother, move, much, must, my, name, near, need, never, new,
    next, nine, no, not, note, now, number, of, off, often, old, on, one, only, open, option, or, order, other, our,
    out, over, own, page, paper, part, people, person, place, point, possible, put, question, quite, rather, read,
    reason, right, right now, road, room, round, run, said, same, saw, say, second, see, seem, sent, set, seven,
    she, should, show, side, since, small, so, some, somebody, somewhere, soon, start, state, station, still, stop,
    store, street, such, system, table, take, talk, tell, than, that, the, their, them, then, there, these, they,
    thing, think, this, those, thought, three, through, time, to, together, told, too, took, town, tree, turn,
    twice, two, under, until, up, use, used, usual, very, visit, walk, want, was, watch, water, way, we, week, well,
    went, were, what, when, where, whether, which, while, who, whole, why, will, window, with, without, word, work,
    world, would, write, year, years, yes, yesterday, yet, you, young, your
""")
"""Words of no feeling, the everyday ones of English."""

OBJECTS: dict[str, tuple[Group, ...]] = {
    "digital": groups("""
        account, profile, user account
        password, login, passphrase, pass code
        photo, picture, image, snapshot
        document, file, paper, text file
        email, mail, e-mail
        app, application, program, piece of software
        website, web page, site, homepage
        subscription, membership, plan
        video, film clip, movie, recording
        calendar, schedule, agenda
        playlist, song list, music list
        spreadsheet, table of numbers, excel sheet
    """),
    "goods": groups("""
        phone, mobile, smartphone, cell phone, telephone
        laptop, notebook computer, computer, pc
        shoes, sneakers, boots, footwear
        dress, gown, skirt
        sofa, couch, settee
        bicycle, bike, cycle
        car, auto, vehicle, automobile
        watch, wristwatch, timepiece
        headphones, earphones, headset, earbuds
        camera, digital camera, photo camera
        book, novel, paperback
        fridge, refrigerator, freezer
        coffee machine, espresso maker, coffee maker
        tv, television, tv set, telly
        toy, plaything, doll
        parcel, package, shipment, delivery
    """),
    "bookings": groups("""
        flight, plane ticket, air ticket
        hotel room, room in a hotel, accommodation
        table at the restaurant, restaurant table, dinner table
        doctor's appointment, visit to the doctor, medical appointment
        meeting, conference call, business meeting
        concert ticket, ticket for the show, seat at the concert
        taxi, cab, ride
        train, rail ticket, train ticket
        holiday, vacation, trip
        haircut, hairdresser appointment, visit to the barber
    """),
    "money": groups("""
        invoice, bill, receipt
        loan, credit, mortgage
        credit card, bank card, debit card
        insurance, insurance policy, cover
        tax return, taxes, tax form
        salary, wages, pay cheque
        bank transfer, payment, money transfer
        electricity contract, power contract, energy tariff
    """),
    "home": groups("""
        kitchen, cooking area
        garden, yard, lawn
        roof, rooftop
        window, window pane
        front door, entrance, main door
        heating, radiator, boiler
        lamp, light, light bulb
        bathroom, shower, bath
        wall, walls
        pool, swimming pool
    """),
}

ACTIONS: dict[str, tuple[Group, ...]] = {
    "digital": groups("""
        delete, remove, erase, get rid of
        open, view, look at, access
        share, send to a friend, pass on
        change, edit, modify, update, adjust
        recover, restore, get back, reset
        download, save to disk, store offline
        print, make a paper copy of
        hide, make private, keep secret
    """),
    "goods": groups("""
        buy, purchase, order, shop for
        sell, put up for sale, find a buyer for
        repair, fix, mend, get working again
        return, send back, give back
        rent, hire, borrow
        track, follow, trace, locate
        compare, weigh up, see the differences for
        exchange, swap, replace, trade in
    """),
    "bookings": groups("""
        book, reserve, arrange
        cancel, call off, drop, back out of
        reschedule, move to another day, postpone, shift
        confirm, double check, make sure of
        pay for, settle the cost of
    """),
    "money": groups("""
        pay, settle, clear
        dispute, complain about, contest, object to
        apply for, request, ask for
        understand, make sense of, get an explanation of
        cancel, terminate, stop, end
    """),
    "home": groups("""
        clean, wash, tidy, scrub
        paint, colour, put new paint on
        repair, fix, mend, patch up
        measure, get the dimensions of, size up
        decorate, make prettier, embellish
        insulate, protect from the cold
    """),
}

PROBLEMS = groups("""
    is broken, does not work, stopped working, is out of order, is defective, is not working
    is lost, has gone missing, can not be found, disappeared, has vanished
    is too expensive, costs too much, is overpriced, has a price that is too high
    is late, is delayed, has not arrived yet, is behind schedule
    is dirty, is filthy, is full of dust, needs cleaning
    is slow, takes for ever, takes too long, is not fast enough
    was stolen, was taken by a thief, got robbed
    is wrong, is not the right one, is incorrect, has a mistake in it
    is too small, is tiny, is not big enough
    is too loud, makes a lot of noise, is noisy
""")

PEOPLE = groups("""
    man, guy, gentleman
    woman, lady
    child, kid, toddler
    boy, lad
    girl, schoolgirl
    dog, puppy, hound
    cat, kitten
    teacher, professor, lecturer
    doctor, physician, surgeon
    singer, vocalist
    group of friends, bunch of friends
    farmer, peasant
    soldier, trooper
    old couple, elderly pair
    horse, pony
    bird, parrot
    team, crew
    driver, chauffeur
""")

DOINGS = groups("""
    eating food, having a meal, eating lunch, eating bread, having dinner
    drinking coffee, having a coffee, sipping an espresso
    riding a bike, cycling, pedalling a bicycle
    riding a horse, on horseback, trotting on a horse
    playing the guitar, strumming a guitar, making music on a guitar
    reading a book, looking into a novel, reading a story
    sleeping, taking a nap, asleep, dozing
    running, jogging, racing
    swimming, going for a swim, splashing in the water
    cooking, preparing a dish, making soup
    singing, performing a song
    dancing, moving to the music
    painting a picture, drawing, making a sketch
    playing football, kicking a ball, playing soccer
    driving a car, steering a vehicle, behind the wheel
    talking on the phone, making a call, having a phone conversation
    crying, in tears, weeping, sobbing
    laughing, giggling, smiling happily
    carrying a box, lifting a crate, holding a carton
    watching tv, looking at television, watching a show
    climbing a mountain, hiking up a hill
    fishing, catching fish
    working at a computer, typing on a laptop
    shopping, buying clothes, walking through the shops
    fighting, having a fight, arguing
""")

PLACES = groups("""
    in the park, in a green park
    at home, in the house, inside the flat
    on the street, in the road
    at the beach, by the sea, on the shore
    in the kitchen, next to the stove
    at school, in the classroom
    in the office, at work
    in the forest, in the woods, among the trees
    at the station, on the platform
    in the garden, in the yard
    on stage, in front of an audience
    in the city, downtown, in town
""")

ASKS = groups("""
    how much does {o} cost, what is the price of {o}, what do i pay for {o}, how expensive is {o}
    where is {o}, where can i find {o}, what is the location of {o}
    how old is {o}, when was {o} made, what is the age of {o}
    how big is {o}, what size is {o}, what are the measurements of {o}
    who owns {o}, whose is {o}, to whom does {o} belong
    when does {o} start, what time does {o} begin, at what time will {o} begin
    is {o} safe, is there any risk with {o}, can {o} be dangerous
    which colour is {o}, what colours does {o} come in, what is the colour of {o}
    what is a good alternative to {o}, what else is there instead of {o}, what could replace {o}
    how long does {o} last, what is the duration of {o}, for how long will {o} hold
""")

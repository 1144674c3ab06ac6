"""What the sentences of the starter corrector's world look like; gaps are filled from `words.KINDS`."""

HOME = """\
The {thing} is in the {room}.
The {colour} {thing} is under the {look} {thing2}.
{name} put the {thing} on the {thing2} in the {room}.
There is a {colour} {thing} in the {room}.
{whose} {person} {did} the {look} {thing} {past_time}.
We have to {do} the {room} {next_time}.
Please {do} the {thing} and close the door.
Who {did} the {thing} in the {room}?
Where is {whose} {colour} {thing}?
The {room} is very {look} and the windows are {colour}.
I can't find {whose} {thing} in the {room}.
{name} and {name2} live in the {look} house near the {place}."""

FOOD = """\
The {food} was {taste} but the {drink} was {taste2}.
{name} drinks {drink} and eats {food} {time}.
I would like some {food} and a cup of {drink}, please.
Do you want {drink} or {drink2} with your {food}?
We need {few} eggs, some {food} and a {taste} {plant}.
The {plant} in this {food} is too {taste}.
{whose} {person} makes the best {food} in {city}.
They don't like {food} with {plant}.
He ate the {plant} and she drank the {drink}.
How much {food} did you buy {past_time}?
The restaurant near the {building} serves {taste} {food} on {day}."""

TRAVEL = """\
The {vehicle} to {city} leaves at {number} minutes past {few}.
We are going to {city} by {vehicle} in {month}.
The {vehicle} was {late} and very {late2}.
How far is it from {city} to {city2}?
They stayed {few} {unit} in a {look} hotel near the {place}.
{name} has never been to {city}.
The flight from {city} to {city2} takes {number} {unit}.
You can see the {place} from the {building}.
Is the {vehicle} to the {building} {late} today?
Our {person} wants to visit {city} next {month}.
The {people} waited for the {vehicle} at the {building}.
Turn left at the {building} and cross the {place}."""

WORK = """\
Please {office} the {file} before {day}.
{name} {officed} the {file} {past_time}.
The {work} starts at {number} and ends at {number2}.
Could you {office} the {file} and call {name}?
{whose} {person} didn't {office} the {file}.
We will {office} the {file} together {next_time}.
The new {person} is very {character} and {character2}.
The {work} on {day} was {good}.
I think that the {file} is {good} for the {work}.
The {device} in the {room} doesn't work.
Why did {name} {office} the {file} again?
There are {number} people in the {room} and {few} of them are {mood}.
The {device} costs {number} {money}."""

SCHOOL = """\
{name} studies {subject} and {subject2} at the {building}.
The {people} learn {subject} on {day} and {day2}.
The {work} about {subject} was {good}.
{they} {often} {act} after the {work}.
{whose} {subject} teacher is {character}.
Can you explain this {subject} question to {name}?
We read {few} books about {subject} in {month}.
{name} passed the {subject} exam with {number} points.
It is {good} to learn {subject}.
Everybody was {mood} when the {work} was over."""

PEOPLE = """\
{whose} {person} is {mood} because the {animal} is {mood2}.
{name} is {acting} in the {room}.
The {people} are {acting} {where}.
{they} {often} {act} {how} in the evening.
{he} was {mood}, so {he} went to the {building}.
I met {name} and {whose} {person} at the {building}.
{name} is {number} years old and lives in {city}.
Her {person} is {character}, but his {person2} is {character2}.
Why are the {people} so {mood}?
{whose} {person} has a pain in the {body}.
The doctor said that my {body} will be better {next_time}.
{name} broke {whose} {body} {past_time}.
Thank you for the {thing}, {name}.
I'm {mood} and I don't want to {act} {time}."""

NATURE = """\
It was {weather} and {weather2} in {city} {past_time}.
It will be {weather} on {day} and {weather2} on {day2}.
The {animal} is {acting} near the {place}.
The {colour} {animal} and the {look} {animal2} sleep {where}.
We walked {how} through the {place}.
There are {number} {goods} and {few} animals on the farm.
The {place} is {look} in {month}.
My {animal} is {few} years old and eats {plant}.
The sun is {look} and the sky is {colour}.
In {month} the {place} is {weather}.
Don't wake the {animal}, it is {mood}."""

FREE_TIME = """\
{they} play {sport} with {whose} {person} on {day}.
{name} plays {sport} better than {name2}.
The {work} was so {good} that {they} stayed until midnight.
{they} want to {act} in the {place} {next_time}.
Would you like to play {sport} with us?
The {people} watched the {work} {how}.
I have bought {number} {goods} for {few} {money}.
{name} gave me {few} {goods} and a {look} {thing}.
The {look} {thing} costs only {number} {money} at the {building}.
What did {name} {do} at the {building}?
If it is {weather}, we will play {sport} in the park.
Let's {act} {because} the {work} starts.
{they} will {do} the {thing} {because} {name} goes home.
There was nothing {good} in the {building}."""

TEMPLATES = tuple(
    template
    for domain in (HOME, FOOD, TRAVEL, WORK, SCHOOL, PEOPLE, NATURE, FREE_TIME)
    for template in domain.splitlines()
)

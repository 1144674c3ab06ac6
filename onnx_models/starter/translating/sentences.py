"""Everyday sentences with gaps for numbers, dates, times and prices, and fixed ones, in the four languages.

A row: English | French | German | Spanish. `THINGS` and `phrases` say what may stand in a gap; ``{price2}`` is a second
price. The verbs agree with what may stand in the gaps; German ones have their second part at the end.
"""

from onnx_models.starter.translating import LANGUAGES, Said

_THINGS = {
    "vehicle": """
the train | le train | der Zug | el tren
the bus | le bus | der Bus | el autobús
the last train | le dernier train | der letzte Zug | el último tren
the next bus | le prochain bus | der nächste Bus | el próximo autobús
the tram | le tram | die Straßenbahn | el tranvía
the ferry | le ferry | die Fähre | el ferry
the boat | le bateau | das Boot | el barco
the train to Paris | le train pour Paris | der Zug nach Paris | el tren a París
the bus to Berlin | le bus pour Berlin | der Bus nach Berlin | el autobús a Berlín
the train to Madrid | le train pour Madrid | der Zug nach Madrid | el tren a Madrid
""",
    "event": """
the film | le film | der Film | la película
the concert | le concert | das Konzert | el concierto
the match | le match | das Spiel | el partido
the meeting | la réunion | die Besprechung | la reunión
the course | le cours | der Kurs | el curso
the party | la fête | die Feier | la fiesta
the exam | l'examen | die Prüfung | el examen
the lesson | la leçon | der Unterricht | la clase
the show | le spectacle | die Vorstellung | el espectáculo
the wedding | le mariage | die Hochzeit | la boda
""",
    "place": """
the shop | le magasin | das Geschäft | la tienda
the museum | le musée | das Museum | el museo
the bank | la banque | die Bank | el banco
the library | la bibliothèque | die Bibliothek | la biblioteca
the post office | la poste | die Post | la oficina de correos
the pharmacy | la pharmacie | die Apotheke | la farmacia
the restaurant | le restaurant | das Restaurant | el restaurante
the market | le marché | der Markt | el mercado
the school | l'école | die Schule | la escuela
the office | le bureau | das Büro | la oficina
""",
    "person": """
Anna | Anna | Anna | Anna
Peter | Peter | Peter | Peter
Maria | Maria | Maria | Maria
Paul | Paul | Paul | Paul
my brother | mon frère | mein Bruder | mi hermano
my sister | ma sœur | meine Schwester | mi hermana
my mother | ma mère | meine Mutter | mi madre
my father | mon père | mein Vater | mi padre
the teacher | le professeur | der Lehrer | el profesor
the doctor | le médecin | der Arzt | el médico
my friend | mon ami | mein Freund | mi amigo
our neighbour | notre voisin | unser Nachbar | nuestro vecino
""",
    "ware": """
the book | le livre | das Buch | el libro
the ticket | le billet | die Fahrkarte | el billete
the coffee | le café | der Kaffee | el café
the bread | le pain | das Brot | el pan
the hat | le chapeau | der Hut | el sombrero
the room | la chambre | das Zimmer | la habitación
the bicycle | le vélo | das Fahrrad | la bicicleta
the meal | le repas | das Essen | la comida
the shirt | la chemise | das Hemd | la camisa
the lamp | la lampe | die Lampe | la lámpara
""",
    "where": """
in the garden | dans le jardin | im Garten | en el jardín
in the house | dans la maison | im Haus | en la casa
in the room | dans la chambre | im Zimmer | en la habitación
in the street | dans la rue | auf der Straße | en la calle
in the village | dans le village | im Dorf | en el pueblo
at the station | à la gare | am Bahnhof | en la estación
in the city | dans la ville | in der Stadt | en la ciudad
here | ici | hier | aquí
""",
    "day": """
tomorrow | demain | morgen | mañana
today | aujourd'hui | heute | hoy
every day | tous les jours | jeden Tag | todos los días
""",
}
_SENTENCES = """
{vehicle} leaves {when}. | {vehicle} part {when}. | {vehicle} fährt {when} ab. | {vehicle} sale {when}.
{vehicle} arrives {when}. | {vehicle} arrive {when}. | {vehicle} kommt {when} an. | {vehicle} llega {when}.
Does {vehicle} leave {when}? | Est-ce que {vehicle} part {when} ? | Fährt {vehicle} {when} ab? | ¿Sale {vehicle} {when}?
{vehicle} leaves in {wait}. | {vehicle} part dans {wait}. | {vehicle} fährt in {wait} ab. | {vehicle} sale en {wait}.
{event} starts {when}. | {event} commence {when}. | {event} beginnt {when}. | {event} empieza {when}.
{event} begins {when}. | {event} commence {when}. | {event} beginnt {when}. | {event} empieza {when}.
{event} ends {when}. | {event} se termine {when}. | {event} endet {when}. | {event} termina {when}.
{event} is {when}. | {event} a lieu {when}. | {event} ist {when}. | {event} es {when}.
{event} lasts {duration}. | {event} dure {duration}. | {event} dauert {duration}. | {event} dura {duration}.
{place} opens {when}. | {place} ouvre {when}. | {place} öffnet {when}. | {place} abre {when}.
{place} closes {when}. | {place} ferme {when}. | {place} schließt {when}. | {place} cierra {when}.
{place} is open {days}. | {place} ouvre {days}. | {place} ist {days} geöffnet. | {place} abre {days}.
{place} is closed {days}. | {place} ferme {days}. | {place} ist {days} geschlossen. | {place} cierra {days}.
{person} arrives {when}. | {person} arrive {when}. | {person} kommt {when} an. | {person} llega {when}.
{person} works {days}. | {person} travaille {days}. | {person} arbeitet {days}. | {person} trabaja {days}.
{person} has {count}. | {person} a {count}. | {person} hat {count}. | {person} tiene {count}.
{person} buys {count}. | {person} achète {count}. | {person} kauft {count}. | {person} compra {count}.
{person} sees {count}. | {person} voit {count}. | {person} sieht {count}. | {person} ve {count}.
{person} is {age}. | {person} a {age}. | {person} ist {age}. | {person} tiene {age}.
He was born {born}. | Il est né {born}. | Er wurde {born} geboren. | Él nació {born}.
She was born {born}. | Elle est née {born}. | Sie wurde {born} geboren. | Ella nació {born}.
I have {count}. | J'ai {count}. | Ich habe {count}. | Tengo {count}.
I see {count}. | Je vois {count}. | Ich sehe {count}. | Veo {count}.
We have {count}. | Nous avons {count}. | Wir haben {count}. | Tenemos {count}.
We need {count}. | Il nous faut {count}. | Wir brauchen {count}. | Necesitamos {count}.
They have {count}. | Ils ont {count}. | Sie haben {count}. | Tienen {count}.
I would like {count}, please. | Je voudrais {count}, s'il vous plaît. | Ich möchte {count}, bitte. | \
Quisiera {count}, por favor.
Do you have {count}? | Avez-vous {count} ? | Haben Sie {count}? | ¿Tiene {count}?
There are {several} {where}. | Il y a {several} {where}. | {where} gibt es {several}. | Hay {several} {where}.
There are {several}. | Il y a {several}. | Es gibt {several}. | Hay {several}.
{ware} costs {price}. | {ware} coûte {price}. | {ware} kostet {price}. | {ware} cuesta {price}.
It costs {price}. | Cela coûte {price}. | Es kostet {price}. | Cuesta {price}.
I have {price}. | J'ai {price}. | Ich habe {price}. | Tengo {price}.
{person} pays {price}. | {person} paie {price}. | {person} bezahlt {price}. | {person} paga {price}.
{ware} costs {price}, and {ware2} costs {price2}. | {ware} coûte {price}, et {ware2} coûte {price2}. | \
{ware} kostet {price}, und {ware2} kostet {price2}. | {ware} cuesta {price}, y {ware2} cuesta {price2}.
I am {age}. | J'ai {age}. | Ich bin {age}. | Tengo {age}.
He is {age}. | Il a {age}. | Er ist {age}. | Él tiene {age}.
She is {age}. | Elle a {age}. | Sie ist {age}. | Ella tiene {age}.
I was born {born}. | Je suis né {born}. | Ich wurde {born} geboren. | Nací {born}.
My birthday is {date}. | Mon anniversaire est {date}. | Mein Geburtstag ist {date}. | Mi cumpleaños es {date}.
Today is {today}. | Nous sommes {today}. | Heute ist {today}. | Hoy es {today}.
{it_is} | {it_is} | {it_is} | {it_is}
It is {degrees}. | Il fait {degrees}. | Es sind {degrees}. | Hace {degrees}.
The journey takes {duration}. | Le voyage dure {duration}. | Die Fahrt dauert {duration}. | El viaje dura {duration}.
See you {when}! | On se voit {when} ! | Wir sehen uns {when}! | ¡Nos vemos {when}!
Call me {when}. | Appelle-moi {when}. | Ruf mich {when} an. | Llámame {when}.
I get up {when}. | Je me lève {when}. | Ich stehe {when} auf. | Me levanto {when}.
We eat {when}. | Nous mangeons {when}. | Wir essen {when}. | Comemos {when}.
Can you come {when}? | Pouvez-vous venir {when} ? | Können Sie {when} kommen? | ¿Puede venir {when}?
The appointment is {when}. | Le rendez-vous est {when}. | Der Termin ist {when}. | La cita es {when}.
I live at number {digits}. | J'habite au numéro {digits}. | Ich wohne in Nummer {digits}. | Vivo en el número {digits}.
My room is number {digits}. | Ma chambre est la numéro {digits}. | Mein Zimmer ist die Nummer {digits}. | \
Mi habitación es la número {digits}.
The number is {number}. | Le nombre est {number}. | Die Zahl ist {number}. | El número es {number}.
{number} plus {number2} is {number3}. | {number} plus {number2} font {number3}. | \
{number} plus {number2} ist {number3}. | {number} más {number2} son {number3}.
"""
_FIXED = """
Good morning. | Bonjour. | Guten Morgen. | Buenos días.
Good evening. | Bonsoir. | Guten Abend. | Buenas tardes.
Good night. | Bonne nuit. | Gute Nacht. | Buenas noches.
Hello! | Bonjour ! | Hallo! | ¡Hola!
Goodbye. | Au revoir. | Auf Wiedersehen. | Adiós.
Thank you. | Merci. | Danke. | Gracias.
Thank you very much. | Merci beaucoup. | Vielen Dank. | Muchas gracias.
You are welcome. | De rien. | Gern geschehen. | De nada.
Yes. | Oui. | Ja. | Sí.
No. | Non. | Nein. | No.
Please. | S'il vous plaît. | Bitte. | Por favor.
See you tomorrow. | À demain. | Bis morgen. | Hasta mañana.
See you soon. | À bientôt. | Bis bald. | Hasta pronto.
How are you? | Comment allez-vous ? | Wie geht es Ihnen? | ¿Cómo está?
What time is it? | Quelle heure est-il ? | Wie spät ist es? | ¿Qué hora es?
What day is it today? | Quel jour sommes-nous ? | Welcher Tag ist heute? | ¿Qué día es hoy?
How much does it cost? | Combien ça coûte ? | Wie viel kostet das? | ¿Cuánto cuesta?
How old are you? | Quel âge avez-vous ? | Wie alt sind Sie? | ¿Cuántos años tiene?
Where is the station? | Où est la gare ? | Wo ist der Bahnhof? | ¿Dónde está la estación?
When does the train leave? | Quand part le train ? | Wann fährt der Zug ab? | ¿Cuándo sale el tren?
When does the shop open? | Quand ouvre le magasin ? | Wann öffnet das Geschäft? | ¿Cuándo abre la tienda?
The train is late. | Le train est en retard. | Der Zug hat Verspätung. | El tren llega tarde.
I am hungry. | J'ai faim. | Ich habe Hunger. | Tengo hambre.
I do not understand. | Je ne comprends pas. | Ich verstehe nicht. | No entiendo.
My name is Anna. | Je m'appelle Anna. | Ich heiße Anna. | Me llamo Anna.
"""


def _rows(table: str) -> tuple[Said, ...]:
    cells = [[cell.strip() for cell in row.split("|")] for row in table.strip().splitlines()]
    return tuple(dict(zip(LANGUAGES, row, strict=True)) for row in cells)


THINGS = {name: _rows(table) for name, table in _THINGS.items()}
"""What may stand in the gaps of the same name."""
SENTENCES, FIXED = _rows(_SENTENCES), _rows(_FIXED)

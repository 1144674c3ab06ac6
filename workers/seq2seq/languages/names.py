"""Languages that translators know: their codes, scripts and English names. Facts of ISO 639 and ISO 15924.

A row: codes | scripts | name. Of the codes the first is the shortest of ISO 639, which clients are told; the others are
those of its parts 2 and 3, of a macrolanguage or of its usual member, and older ones. Of several scripts the first is
meant where none is named.
"""

from typing import NamedTuple

_ROWS = """
ace|Latn Arab|Acehnese
acm|Arab|Mesopotamian Arabic
acq|Arab|Taizzi-Adeni Arabic
aeb|Arab|Tunisian Arabic
af afr|Latn|Afrikaans
ajp|Arab|South Levantine Arabic
ak aka|Latn|Akan
am amh|Ethi|Amharic
an arg|Latn|Aragonese
apc|Arab|North Levantine Arabic
ar ara arb|Arab Latn|Arabic
ars|Arab|Najdi Arabic
ary|Arab|Moroccan Arabic
arz|Arab|Egyptian Arabic
as asm|Beng|Assamese
ast|Latn|Asturian
av ava|Cyrl|Avaric
awa|Deva|Awadhi
ay aym ayr|Latn|Aymara
az aze azj|Latn Cyrl Arab|Azerbaijani
azb|Arab|South Azerbaijani
ba bak|Cyrl|Bashkir
ban|Latn|Balinese
be bel|Cyrl|Belarusian
bem|Latn|Bemba
bg bul|Cyrl|Bulgarian
bho|Deva|Bhojpuri
bi bis|Latn|Bislama
bjn|Latn Arab|Banjar
bm bam|Latn|Bambara
bn ben|Beng|Bengali
bo bod tib|Tibt|Tibetan
br bre|Latn|Breton
bs bos|Latn Cyrl|Bosnian
bug|Latn Bugi|Buginese
ca cat|Latn|Catalan
ceb|Latn|Cebuano
cjk|Latn|Chokwe
ckb|Arab|Central Kurdish
co cos|Latn|Corsican
crh|Latn Cyrl|Crimean Tatar
cs ces cze|Latn|Czech
cv chv|Cyrl|Chuvash
cy cym wel|Latn|Welsh
da dan|Latn|Danish
de deu ger|Latn|German
din dik|Latn|Dinka
dv div|Thaa|Dhivehi
dyu|Latn|Dyula
dz dzo|Tibt|Dzongkha
ee ewe|Latn|Ewe
el ell gre|Grek|Greek
en eng|Latn|English
eo epo|Latn|Esperanto
es spa|Latn|Spanish
et est ekk|Latn|Estonian
eu eus baq|Latn|Basque
fa fas per pes|Arab|Persian
ff ful fuv|Latn|Fulah
fi fin|Latn|Finnish
fj fij|Latn|Fijian
fo fao|Latn|Faroese
fon|Latn|Fon
fr fra fre|Latn|French
fur|Latn|Friulian
fy fry|Latn|Western Frisian
ga gle|Latn|Irish
gd gla|Latn|Scottish Gaelic
gl glg|Latn|Galician
gn grn gug|Latn|Guarani
gu guj|Gujr|Gujarati
gv glv|Latn|Manx
ha hau|Latn|Hausa
haw|Latn|Hawaiian
he heb iw|Hebr|Hebrew
hi hin|Deva|Hindi
hne|Deva|Chhattisgarhi
hr hrv|Latn|Croatian
ht hat|Latn|Haitian Creole
hu hun|Latn|Hungarian
hy hye arm|Armn|Armenian
id ind in|Latn|Indonesian
ig ibo|Latn|Igbo
ilo|Latn|Iloko
is isl ice|Latn|Icelandic
it ita|Latn|Italian
iu iku|Cans Latn|Inuktitut
ja jpn|Jpan|Japanese
jv jav jw|Latn|Javanese
ka kat geo|Geor|Georgian
kab|Latn|Kabyle
kac|Latn|Kachin
kam|Latn|Kamba
kbp|Latn|Kabiye
kea|Latn|Kabuverdianu
kg kon|Latn|Kongo
ki kik|Latn|Kikuyu
kk kaz|Cyrl Latn Arab|Kazakh
km khm|Khmr|Khmer
kmb|Latn|Kimbundu
kn kan|Knda|Kannada
ko kor|Kore Hang|Korean
kr kau knc|Latn Arab|Kanuri
ks kas|Arab Deva|Kashmiri
ku kur kmr|Latn Arab|Kurdish
kw cor|Latn|Cornish
ky kir|Cyrl|Kyrgyz
la lat|Latn|Latin
lb ltz|Latn|Luxembourgish
lg lug|Latn|Ganda
li lim|Latn|Limburgish
lij|Latn|Ligurian
lmo|Latn|Lombard
ln lin|Latn|Lingala
lo lao|Laoo|Lao
lt lit|Latn|Lithuanian
ltg|Latn|Latgalian
lua|Latn|Luba-Lulua
luo|Latn|Luo
lus|Latn|Mizo
lv lav lvs|Latn|Latvian
mag|Deva|Magahi
mai|Deva|Maithili
mg mlg plt|Latn|Malagasy
mh mah|Latn|Marshallese
mi mri mao|Latn|Maori
min|Latn Arab|Minangkabau
mk mkd mac|Cyrl|Macedonian
ml mal|Mlym|Malayalam
mn mon khk|Cyrl Mong|Mongolian
mni|Beng Mtei|Manipuri
mos|Latn|Mossi
mr mar|Deva|Marathi
ms msa may zsm|Latn Arab|Malay
mt mlt|Latn|Maltese
my mya bur|Mymr|Burmese
nb nob no nor|Latn|Norwegian Bokmål
ne nep npi|Deva|Nepali
nl nld dut|Latn|Dutch
nn nno|Latn|Norwegian Nynorsk
nso ns|Latn|Northern Sotho
nus|Latn|Nuer
ny nya|Latn|Nyanja
oc oci|Latn|Occitan
om orm gaz|Latn|Oromo
or ori ory|Orya|Odia
os oss|Cyrl|Ossetian
pa pan|Guru|Punjabi
pag|Latn|Pangasinan
pap|Latn|Papiamento
pl pol|Latn|Polish
prs|Arab|Dari
ps pus pbt|Arab|Pashto
pt por|Latn|Portuguese
qu que quy|Latn|Quechua
rm roh|Latn|Romansh
rn run|Latn|Rundi
ro ron rum mo mol|Latn Cyrl|Romanian
ru rus|Cyrl|Russian
rw kin|Latn|Kinyarwanda
sa san|Deva|Sanskrit
sat|Olck|Santali
sc srd|Latn|Sardinian
scn|Latn|Sicilian
sd snd|Arab Deva|Sindhi
se sme|Latn|Northern Sami
sg sag|Latn|Sango
shn|Mymr|Shan
si sin|Sinh|Sinhala
sk slk slo|Latn|Slovak
sl slv|Latn|Slovenian
sm smo|Latn|Samoan
sn sna|Latn|Shona
so som|Latn|Somali
sq sqi alb als|Latn|Albanian
sr srp|Cyrl Latn|Serbian
ss ssw|Latn|Swati
st sot|Latn|Southern Sotho
su sun|Latn|Sundanese
sv swe|Latn|Swedish
sw swa swh|Latn|Swahili
szl|Latn|Silesian
ta tam|Taml|Tamil
taq|Latn Tfng|Tamasheq
te tel|Telu|Telugu
tet|Latn|Tetum
tg tgk|Cyrl|Tajik
th tha|Thai|Thai
ti tir|Ethi|Tigrinya
tk tuk|Latn Cyrl|Turkmen
tl tgl fil|Latn|Tagalog
tn tsn|Latn|Tswana
to ton|Latn|Tongan
tpi|Latn|Tok Pisin
tr tur|Latn|Turkish
ts tso|Latn|Tsonga
tt tat|Cyrl Latn|Tatar
tum|Latn|Tumbuka
tw twi|Latn|Twi
ty tah|Latn|Tahitian
tzm|Tfng Latn|Central Atlas Tamazight
udm|Cyrl|Udmurt
ug uig|Arab Cyrl Latn|Uyghur
uk ukr|Cyrl|Ukrainian
umb|Latn|Umbundu
ur urd|Arab|Urdu
uz uzb uzn|Latn Cyrl Arab|Uzbek
ve ven|Latn|Venda
vec|Latn|Venetian
vi vie|Latn|Vietnamese
vo vol|Latn|Volapük
wa wln|Latn|Walloon
war|Latn|Waray
wo wol|Latn|Wolof
xh xho|Latn|Xhosa
yi yid ydd ji|Hebr|Yiddish
yo yor|Latn|Yoruba
yue|Hant Hans|Cantonese
zh zho chi cmn|Hans Hant|Chinese
zu zul|Latn|Zulu
"""

SCRIPTS = {
    "Arab": "Arabic", "Beng": "Bengali", "Bugi": "Buginese", "Cans": "syllabics", "Cyrl": "Cyrillic",
    "Deva": "Devanagari", "Hang": "Hangul", "Hans": "simplified", "Hant": "traditional", "Kore": "Korean",
    "Latn": "Latin", "Mong": "Mongolian", "Mtei": "Meitei", "Tfng": "Tifinagh",
}  # fmt: skip
"""Names of the scripts among which some language has a choice."""
SCRIPT_OF_REGION = {
    ("zh", "CN"): "Hans", ("zh", "SG"): "Hans", ("zh", "MY"): "Hans", ("zh", "TW"): "Hant", ("zh", "HK"): "Hant",
    ("zh", "MO"): "Hant", ("sr", "ME"): "Latn", ("az", "IR"): "Arab", ("pa", "PK"): "Arab", ("mn", "CN"): "Mong",
    ("ku", "IQ"): "Arab", ("uz", "AF"): "Arab", ("kk", "CN"): "Arab",
}  # fmt: skip
"""What a region tells of the script, where a language has more than one."""


class KnownLanguage(NamedTuple):
    """A row of the table."""

    code: str
    scripts: tuple[str, ...]
    name: str


def _read() -> dict[str, KnownLanguage]:
    found: dict[str, KnownLanguage] = {}
    for row in _ROWS.strip().splitlines():
        codes, scripts, name = row.split("|")
        names = codes.split()
        known = KnownLanguage(names[0], tuple(scripts.split()), name)
        found |= dict.fromkeys(names, known)
    return found


LANGUAGES: dict[str, KnownLanguage] = _read()
"""By each of their codes, in small letters."""

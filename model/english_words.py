"""Closed lists of English words, from which `model.english_tags` guesses parts of speech: plain data."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PERSONAL = _words("i me you he him she it we us they them")
POSSESSIVE = _words("my mine your yours his her hers its our ours their theirs")
REFLEXIVE = _words("myself yourself himself herself itself ourselves yourselves themselves themself")
DEMONSTRATIVE = _words("this that these those")
PRONOUNS = PERSONAL | POSSESSIVE | REFLEXIVE
POSSESSIVE_DETERMINERS = _words("my your his her its our their")

DETERMINERS = _words(
    """a all an another any both each eight either enough every few first five four half last least less many more most
    much neither next nine no one other own same second seven several six some such ten that the these third this
    those three two what which whose"""
)

PREPOSITIONS = _words(
    """about above across after against along among around as at before behind below beside besides between beyond by
    despite down during except for from in inside into like near of off on onto out outside over past per since than
    through throughout till toward towards under unlike until up upon via with within without"""
)

CONJUNCTIONS = _words(
    """although and because but hence how however if meanwhile moreover nor or so that therefore though thus unless
    when whenever where whereas wherever whether while who whom why yet"""
)

# Adverbs and other small words that are part of no noun phrase.
ADVERBS = _words(
    """abroad again ago almost already also always anybody anyone anything anyway anywhere away back early else etc
    even ever everybody everyone everything everywhere far forward hello here hi indeed instead just later let let's
    long maybe never nobody none not nothing now nowhere often oh ok okay once perhaps please quite rather somebody
    someone something sometimes somewhere soon still then there today together tomorrow tonight too twice usually
    very well whatever yes yesterday"""
)

AUXILIARIES = _words(
    """ain't am are aren't be been being can can't cannot could couldn't did didn't didnt do does doesn't don't done
    dont had hadn't has hasn't have haven't having is isn't isnt may might mightn't must mustn't needn't ought shall
    shan't should shouldn't was wasn't were weren't will won't would wouldn't"""
)

IRREGULAR_PASTS = _words(
    """ate beat beaten became been began begun bent bet bit bitten bled blew bought bound bred broke broken brought
    built burnt came caught chose chosen clung crept cut dealt done drank drawn drew driven drove dug eaten fallen
    fed fell felt fled flew flown forbade forgave forgot forgotten fought found froze frozen gave given gone got
    grew grown heard held hid hidden hit hung hurt kept knew known laid lay led left lent let lit lost made meant
    met misled mistook outran overcame overheard overtook paid put quit ran rang read risen rode rose said sang sank
    sat saw seen sent set shook shot shown shut slept slid sold spent spoke spoken sprang spread stole stolen stood
    struck stuck stung sung sunk swam swept swore swung taken taught thought threw thrown told took tore understood
    undertook upset went wept withdrew woke won wore worn wound wove written wrote"""
)

# Verbs whose base and -s forms are verbs wherever no determiner, adjective or preposition stands before them.
VERBS = _words(
    """accept accuse achieve add admire admit advise advocate affect agree allow announce annoy answer apologize appear
    appreciate approach approve argue arrange arrest arrive ask assist assume avoid become beg begin believe belong
    blame block borrow bother break bring build bully buy call care carry catch celebrate charge chase check choose
    clean climb close collapse collect come comfort complain complete concern confirm confuse congratulate connect
    consider consult contact contain continue convince cook cost cover create criticize cross cry decide defeat
    defend deliver demand deny depend describe deserve destroy develop die disagree disappear discover discuss
    dislike drink drive drop earn eat employ encourage enjoy enter envy escape examine exist expect explain fail
    fall fear feel fetch fight fill find finish fire fit fix float fly follow forget forgive fulfill gather get give
    go grab greet grow guess handle hang happen hate hear help hesitate hide hire hit hold hope hug hurt identify
    ignore imagine improve include inform injure insist inspect instruct insult intend interview introduce invite
    involve jump keep kick kill kiss know lack laugh lead lean learn leave lend let lie lift like listen live look
    lose love make manage marry mean meet mention miss move need notice obey offer open order owe own park pass pay
    perform persuade pick play point praise prefer prepare present prevent produce promise protect prove provide
    pull punish purchase push put question raise reach read realize receive recognize recommend reduce refuse regret
    reject relax release rely remain remember remind remove repair repeat replace reply request require rescue
    resemble resent respect respond return reveal ring rob roll ruin run save say scare scold scratch scream see
    seek seem sell send serve shake share shine shout show sing sink sit sleep slip smell smile solve sound speak
    spend spill squeeze stand start stay steal stop struggle study succeed suffer suggest supply support suppose
    surprise survive suspect swallow take talk taste teach tell thank think threaten throw touch train travel treat
    trick trip trust try turn understand use visit wait wake walk want warn wash waste watch wear weigh win wish
    wonder work worry write yell"""
)

ADJECTIVES = _words(
    """able afraid alone angry available aware bad beautiful best better big bigger bitter black blind blue bored brave
    brief bright broad brown busy calm careful certain cheap clean clear clever cold common cool correct crazy cruel
    curious current dangerous dark dead dear deep delicious different difficult dirty dry due eager easy economic
    empty entire equal evil exact excellent expensive fair false familiar famous fast fat federal final fine foreign
    former free fresh friendly full funny general gentle glad good gray great green grey guilty happy hard healthy
    heavy high hot huge human hungry ill important impossible innocent international jealous kind large larger late
    lazy likely little local lonely longer loose loud low lucky mad main major medical military modern narrow nasty
    national natural nervous new nice noisy normal nuclear obvious old older only open perfect personal pleasant
    polite political poor popular possible pretty previous proud public purple quick quiet rare ready real recent
    red responsible rich ripe rotten rough round rude sad safe serious severe sharp short shy sick silent silly
    similar simple slow small smaller smart smooth social soft sorry special strange strict strong stupid successful
    sudden sure sweet tall terrible thick thin tight tiny tough true ugly unable unhappy upset useful useless usual
    various warm weak wealthy weird wet white whole wide wild wise wonderful wooden worse worst worth wrong yellow
    young younger"""
)

# Nouns that end as verbs and adverbs do.
NOUNS = _words(
    """ally anomaly assembly bed belly breed building bully butterfly ceiling clothing creed deed evening family feeling
    greed hundred italy jelly july king lily meeting monopoly morning painting reed ring seed shed sled speed spring
    string thing wedding weed wing"""
)

IRREGULAR_PLURALS = _words("people police children men women mice geese feet teeth oxen cattle folk data media")
SINGULARS_IN_S = _words("bus gas lens news series species boss class glass grass cross dress address princess")

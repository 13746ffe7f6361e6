"""One sentence in several languages, to compare what they cost in tokens."""

# The first sentence of article 1 of the Universal Declaration of Human Rights, in the
# translations that the United Nations publish.
TRANSLATIONS = {
    "English": "All human beings are born free and equal in dignity and rights.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "French": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits."
    ),
    "Russian": (
        "Все люди рождаются свободными и равными в своем достоинстве и правах."
    ),
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
    "Hindi": (
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।"
    ),
}

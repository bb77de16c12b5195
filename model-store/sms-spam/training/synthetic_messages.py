"""Synthetic messages for golden rows and export checks; none is in the data."""

import numpy as np

EDGES = [
    "",
    " ",
    "?!",
    "0123456789",
    "£££ $$$ %%%",
    "FREE Free free fReE",
    "Gruesse aus Koeln: gr\u00fc\u00dfe aus K\u00f6ln",
    "\u4f60\u597d",
    "\U0001f389 You won \U0001f389",
    "a" * 1000,
    "call " * 199,
    "tab\tand\nnew line",
]
OPENINGS = ["Hi", "hey", "OK", "Sorry", "URGENT!", "Congrats!", "Dear customer,", "FreeMsg:", ""]
MIDDLES = [
    "are you coming to the cinema tonight?",
    "i will be late, the train stands still",
    "can you bring the keys of the garden house",
    "you have won a prize of £{number}",
    "your account needs a reply within {digit} hours",
    "call {number} now to claim your free phone",
    "see you at {digit} in front of the library",
    "text STOP to {number} to end. {digit}p per min",
    "did you see the game yesterday?",
    "the meeting is moved to {digit} o'clock, same room",
]
ENDINGS = ["", "Thanks", "x", "Reply YES", "Lol", "T&Cs apply", "Take care!", "Txt WIN to {number}"]


def draw_messages(count: int, seed: int) -> list[str]:
    """Edge cases first, then combinations of synthetic parts in different spellings."""
    random = np.random.default_rng(seed)
    messages = list(EDGES)
    while len(messages) < count:
        parts = [str(random.choice(part)) for part in (OPENINGS, MIDDLES, ENDINGS)]
        text = " ".join(part for part in parts if part).format(
            number=random.integers(10_000, 99_999), digit=random.integers(1, 10)
        )
        spelling = random.random()
        messages.append(text.upper() if spelling < 0.1 else text.title() if spelling < 0.2 else text)
    return messages[:count]

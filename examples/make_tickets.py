"""Makes the example data set: support tickets for a made-up shop, with the faults real data have.

Every row is put together from phrases written for this project, by a seeded generator: `python make_tickets.py`
writes the same bytes each time. Known faults, so that the data check and the report have something to find: about
2 % wrong labels, some duplicates, a few empty texts and missing labels, a label misspelt twice, and a class
(`complaint`) that shares its words with two others and is hard to tell from them.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

PRODUCTS = [
    "kettle",
    "desk lamp",
    "backpack",
    "bike light",
    "headphones",
    "coffee grinder",
    "rain jacket",
    "keyboard",
    "tent",
    "blender",
    "alarm clock",
    "water bottle",
    "camera strap",
    "office chair",
    "garden hose",
]
OPENINGS = ["Hello, ", "Hi there. ", "", "", "Good morning, ", "To whom it may concern: ", "Hey, ", "Dear team, ", ""]
CLOSINGS = [
    "",
    "",
    " Thanks.",
    " Thank you in advance!",
    " Best regards, Kim",
    " Please get back to me soon.",
    " Cheers",
    " I look forward to your answer.",
    "",
]
DAYS = ["Monday", "Tuesday", "last week", "two weeks ago", "yesterday", "the 3rd", "early March", "this morning"]

TEMPLATES = {
    "delivery": [
        "my {product} was supposed to arrive {day} and the tracking page still says it is in the depot.",
        "where is order {order}? It has been on its way since {day}.",
        "the courier left my {product} with a neighbour I do not know. Can you find out which one?",
        "can I change the address for order {order}? I am moving before it arrives.",
        "the parcel came {day} but the box was empty.",
        "how long does shipping to an island take? I need the {product} before my holiday.",
        "you sent the {product} to my old flat although I updated my address {day}.",
    ],
    "refund": [
        "I returned the {product} {day} and have not got my money back yet.",
        "please cancel order {order} and pay back the full amount.",
        "I was charged twice for the same {product}. Please return one of the payments.",
        "how do I send the {product} back? It does not fit and I would like my money.",
        "the voucher was not taken off the price of my {product}, can you refund the difference?",
        "you promised to refund order {order} within five days; that was {day}.",
    ],
    "defect": [
        "the {product} stopped working {day}, it does not even switch on.",
        "a screw was missing from my {product} and the handle is loose.",
        "after one wash the {product} lost its colour and the seam came open.",
        "the {product} makes a grinding noise and smells burnt.",
        "there is a crack in the {product} that was not there {day}.",
        "the battery of my {product} lasts ten minutes at most. Is that covered by the guarantee?",
    ],
    "question": [
        "does the {product} come in green, and is it dishwasher safe?",
        "is the {product} suitable for a child of eight?",
        "what is the difference between the {product} and the older model?",
        "do you have a shop where I can try the {product}?",
        "which spare parts can I buy for the {product}?",
        "will the {product} be back in stock before {day}?",
    ],
    "complaint": [
        "this is the third time I write about my {product} and nobody answers. Very disappointing.",
        "I waited the whole day {day}, the courier never came, and your hotline hung up on me.",
        "the {product} broke again and your colleague was rude when I asked for help.",
        "your refund page has not worked since {day}; how you treat customers is a shame.",
        "I am not happy at all with how order {order} was handled.",
        "first the wrong {product}, then no reply for a week. I will shop elsewhere.",
    ],
    "praise": [
        "the {product} is even better than in the pictures, well done!",
        "just wanted to say that your support sorted out order {order} in minutes.",
        "best {product} I have ever had, my sister ordered one too.",
        "fast delivery and lovely packaging, the {product} made a great present.",
        "thank you for replacing my {product} without any fuss.",
        "I have used the {product} every day since {day} and still love it.",
    ],
}
SHARES = {"delivery": 0.24, "refund": 0.2, "defect": 0.2, "question": 0.16, "praise": 0.12, "complaint": 0.08}
CONFUSABLE = {
    "complaint": ["delivery", "refund", "defect"],
    "delivery": ["complaint"],
    "refund": ["complaint", "defect"],
    "defect": ["refund", "complaint"],
    "question": ["praise"],
    "praise": ["question"],
}


def _typo(text: str, rng: random.Random) -> str:
    """Swap two neighbouring letters somewhere."""
    spot = rng.randrange(1, max(2, len(text) - 2))
    return text[:spot] + text[spot + 1 : spot + 2] + text[spot] + text[spot + 2 :]


def _ticket(label: str, rng: random.Random) -> str:
    sentence = rng.choice(TEMPLATES[label])
    if rng.random() < 0.35:  # people mix subjects; the label is that of the first
        sentence += " " + rng.choice(TEMPLATES[rng.choice(CONFUSABLE[label])]).capitalize()
    text = sentence.format(product=rng.choice(PRODUCTS), day=rng.choice(DAYS), order=rng.randint(10_000, 99_999))
    text = rng.choice(OPENINGS) + text + rng.choice(CLOSINGS)
    text = text[0].upper() + text[1:]
    if rng.random() < 0.15:
        text = _typo(text, rng)
    return text.lower() if rng.random() < 0.1 else text


def make_rows(count: int = 1_200, seed: int = 7) -> list[tuple[str, str]]:
    """`(text, label)` rows with the faults described at the top."""
    rng = random.Random(seed)
    labels = rng.choices(list(SHARES), weights=list(SHARES.values()), k=count)
    rows = [(_ticket(label, rng), label) for label in labels]
    for index in rng.sample(range(count), count // 50):
        text, label = rows[index]
        rows[index] = (text, rng.choice([other for other in SHARES if other != label]))
    for index in rng.sample(range(count), count // 60):
        rows.append(rows[index])
    for index, wrong in zip(rng.sample(range(count), 2), ("complaints", "complaints"), strict=True):
        rows[index] = (rows[index][0], wrong)
    for index in rng.sample(range(count), 3):
        rows[index] = ("", rows[index][1])
    for index in rng.sample(range(count), 2):
        rows[index] = (rows[index][0], "")
    rng.shuffle(rows)
    return rows


def main() -> None:
    """Write `tickets.csv` beside this file."""
    with (Path(__file__).parent / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows(make_rows())


if __name__ == "__main__":
    main()

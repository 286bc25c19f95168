"""Tell from the characters of a cell whether it is a number, a date or a word for a missing value."""

from __future__ import annotations

import re

MISSING_WORDS = frozenset(
    {
        "nan",
        "none",
        "null",
        "n/a",
        "na",
        "unknown",
        "-",
        "?",
        "undefined",
        "\\n",
        "<na>",
        "nat",
        "nil",
        "(null)",
        "<null>",
        "#null",
        "n.a.",
        "n. a.",
        "(blank)",
        "(empty)",
        "(none)",
        "(leer)",
        "--",
        "---",
        ".",
        "missing",
        "not available",
        "not applicable",
        "no label",
        "unlabeled",
        "unlabelled",
        "tbd",
    }
)
SPREADSHEET_ERRORS = frozenset(
    {"#n/a", "#na", "#value!", "#ref!", "#name?", "#div/0!", "#num!", "#null!", "#error!", "#wert!", "#bezug!", "#nv", "#zahl!"}
    | {"#spill!", "#calc!", "#getting_data", "#field!", "#blocked!", "#connect!", "#valeur!", "#nom?", "#¡valor!", "#¿nombre?"}
    | {"#¡ref!", "#¡div/0!", "#¡num!", "#¡nulo!", "#n/d", "#nom!", "#zahl!", "#wert", "#bezug", "#rif!", "#valore!", "#valor!"}
)
# Codes of ISO 4217 that people write beside prices; any three capitals would make "MAT 101" a number.
CURRENCIES = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KES|KRW|MAD|MXN|MYR|NGN|NOK|NZD|PEN|PHP|"
    "PKR|PLN|QAR|RON|RSD|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_NUMBER = re.compile(
    r"(?:[-+−]|\()?\s*(?:[$€£¥₹]\s*)?[-+]?\d[\d.,'’ \u00a0\u2009\u202f]*(?:[eE][-+]?\d+)?\s*(?:[%$€£¥₹]|(?:"
    + CURRENCIES
    + r"))?\)?"
)
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[T ,]+\d{1,2}:\d{2}.*)?"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d{1,2}:\d{2}.*|\d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?"
    r"|\d{1,2}\.? (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{2,4}.*"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2},? \d{4}.*"
)


def is_number(cell: str) -> bool:
    """Whether a cell is a number, perhaps with a sign, separators, a percent sign or a currency."""
    return bool(_NUMBER.fullmatch(cell.strip()))


def is_date(cell: str) -> bool:
    """Whether a cell is a date or a time."""
    return bool(_DATE.fullmatch(cell.strip()))


def is_missing(cell: str) -> bool:
    """Whether a cell holds a word for a missing value (`n/a`) or an error of a spreadsheet program (`#REF!`)."""
    word = cell.strip().lower()
    return word in MISSING_WORDS or word in SPREADSHEET_ERRORS

"""Documents -> sentences, by rule: end marks, line ends, and the abbreviations that only look like ends."""

from __future__ import annotations

import re

# An end mark with what closes a quotation behind it, then white space and what can begin a sentence; marks of East Asian and
# Indian scripts end one by themselves.
_END = re.compile(r"(?<=[.!?…])([\"'”’»)\]]*)\s+(?=[\"'“‘«(\[¿¡]*[^\W_a-zß-öø-ÿ])|(?<=[。！？।॥])([」』”’）]*)\s*(?=\S)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“‘])(?:Mr|Mrs|Ms|Dr|Prof|Rev|Hon|Gen|Col|Capt|Lt|Sgt|St|Mt|Messrs|Jr|Sr|No|Vol|Fig|Eq|vs|cf|etc|e\.g|i\.e|"
    r"approx|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[A-Z])\.$"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a document, in order, without the white space around them; every other character is kept.

    A line end ends a sentence, too: where paragraphs are lines it does, and where lines are wrapped the pieces still follow each
    other. The rule knows Latin, Cyrillic, Greek, East Asian and Indian end marks; it is no parser.
    """
    found = []
    for line in text.splitlines():
        start = 0
        for end in _END.finditer(line):
            if _ABBREVIATION.search(line[start : end.start()].lstrip()) and line[end.start() - 1] == ".":
                continue
            stop = end.end(1) if end.group(1) is not None else end.end(2)
            found.append(line[start:stop])
            start = end.end()
        found.append(line[start:])
    return [sentence for piece in found if (sentence := piece.strip())]

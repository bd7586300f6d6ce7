#!/usr/bin/env python3
"""Makes rfc-sections.txt, the titles, numbers and headings of RFCs, from their texts, which are no part of this tree.

Usage: rfc-sections.py FOLDER > rfc-sections.txt, where FOLDER has a file rfcNNNN.txt for each.
"""

import pathlib
import re
import sys
import textwrap

# `3.1.  The NOTIFY Command`, `Appendix A.  Examples`, `A.1.  Names`: at the margin, unlike the items of lists.
HEADING = re.compile(
    r"^(?:Appendix +)?(\d+(?:\.\d+)*|[A-Z](?:\.\d+)+|(?<=Appendix )[A-Z]|[A-Z](?=[.:] ))(?:[.:]+| )[ -]*(\S.*)$"
)
UNNUMBERED = re.compile(r"^(?!RFC )[A-Z][A-Za-z0-9' ]+$")
# Some headings of RFC 2180 are whole paragraphs.
LONGEST = 100
# A line of the table of contents, and what stands at the edge of each page.
CONTENTS = re.compile(r"(\. ?){2,} *\d+$|\s{3,}\d+$")
EDGE = re.compile(r"^RFC \d+ .*\d{4}$|\[Page \d+\]$")


def follows(number, before):
    """Whether a section's number may come behind another's."""
    if not before:
        return True
    if not number[0].isdigit() and before[0].isdigit():
        return number == ["A"]
    for level, (part, last) in enumerate(zip(number, before)):
        if part != last:
            # One that was taken out leaves a gap in the count.
            steps = int(part) - int(last) if part.isdigit() and last.isdigit() else ord(part) - ord(last)
            return len(number) == level + 1 and 0 < steps <= 2
    return len(number) == len(before) + 1 and number[-1] in ("1", "2")


def title(text):
    """What an RFC is called: the paragraph behind the block that begins with "Request for Comments"."""
    written_by = text.index("Request")
    return " ".join(re.split(r"\n\s*\n", text[written_by:])[1].split())


def sections(text):
    """The places of one RFC with their headings, in its order."""
    found, before, lines = [], [], text.replace("\f", "\n").splitlines()
    for at, line in enumerate(map(str.rstrip, lines)):
        match = HEADING.match(line)
        if not match or CONTENTS.search(line) or EDGE.search(line):
            continue
        number, heading = match.group(1).split("."), match.group(2)
        # The second line of a heading, and those behind it, are indented as far as its first; an empty line ends it.
        behind = at + 1
        while behind < len(lines) and re.match(" " * match.start(2) + r"\S", lines[behind]):
            heading += " " + lines[behind].strip()
            behind += 1
        if behind < len(lines) and lines[behind].strip() or not follows(number, before):
            continue
        heading = textwrap.shorten(heading, LONGEST, placeholder=" …")
        found.append(("§" if number[0].isdigit() else "appendix ") + ".".join(number) + "  " + heading)
        before = number
    if len(found) < 2:
        # RFC 3502 counts none but the section that it changes.
        found += [f'"{line.rstrip()}"' for line in lines if UNNUMBERED.match(line.rstrip())]
    return found


def main():
    texts = {int(path.stem[3:]): path for path in pathlib.Path(sys.argv[1]).glob("rfc[0-9]*.txt")}
    for number in sorted(texts):
        text = texts[number].read_text(encoding="utf-8", errors="replace")
        print(f"RFC {number}  {title(text)}", *sections(text), sep="\n")


main()

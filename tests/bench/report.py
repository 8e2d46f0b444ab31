"""Writes the document: template.md around the figures, notes.md where a person has something to say.

template.md has a line `{{section NAME}}` for each section, `{{targets}}` and `{{made}}`. notes.md has a
heading `## NAME` per section with what is to stand below its figures, such as the reason why a target is
not reached; it is written by hand and never by a program. A section whose raw figures are not here (they were
measured on another machine, or in another checkout) stays as the document has it.
"""
import os
import re

import figures

RUNS = 5  # of which a figure is the median
NOT_MEASURED = "Not measured yet: "
HERE = os.path.dirname(os.path.abspath(__file__))


def _read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def _notes():
    """NAME → text. What stands before the first heading is for the writers of notes."""
    parts = re.split(r"^## (\w+)\n", _read("notes.md"), flags=re.M)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2]) if text.strip()}


class _Kept:
    """What the document says of sections whose raw figures are not here."""

    def __init__(self, path, sections, results):
        self.text = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.text = file.read()
        self.sections = {}
        for part in re.split(r"^(?=## )", self.text, flags=re.M):
            title, _, rest = part.removeprefix("## ").partition("\n")
            if NOT_MEASURED not in rest:
                self.sections[title] = part.strip() + "\n"
        self.sections = {section.NAME: self.sections[section.TITLE] for section in sections
                         if section.NAME not in results and section.TITLE in self.sections}

    def targets(self, section):
        """Lines of the table, as they are."""
        place = "(#%s) |" % figures.anchor(section.TITLE)
        return [line for line in self.text.splitlines() if section.NAME in self.sections and line.endswith(place)]

    def made(self):
        """date → commits"""
        line = re.search(r"^Measured on (.*)\.$", self.text, flags=re.M) if self.sections else None
        made = {}
        for part in line.group(1).split("; ") if line else []:
            date, _, commits = part.partition(" at commit ")
            made[date] = set(commits.split(", "))
        return made


def _section(section, result, notes, kept):
    if result is None and section.NAME in kept.sections:
        return kept.sections[section.NAME]
    text = "## %s\n\n" % section.TITLE
    if result is None:
        return text + NOT_MEASURED + "`tests/bench/run --only %s`.\n" % section.NAME
    parts = [section.render(result["raw"])]
    if result["runs"] != RUNS:
        parts.insert(0, "*Preliminary: medians of %d, where the others are of %d.*" % (result["runs"], RUNS))
    if section.NAME in notes:
        parts.append(notes[section.NAME])
    return text + "\n\n".join(parts) + "\n"


def _made(results, quick, kept):
    if quick:
        return "**This is a quick run, which shows that measuring works: its figures mean nothing.**"
    made = kept.made()
    for result in results.values():
        made.setdefault(result["date"], set()).add(result["commit"])
    return "Measured on %s." % "; ".join(
        "%s at commit %s" % (date, ", ".join(sorted(commits))) for date, commits in sorted(made.items()))


def write(path, sections, results, quick):
    """Returns how many targets were reached ("yes") and were not ("no")."""
    kept = _Kept("" if quick else path, sections, results)
    lines, told = [], {"yes": 0, "no": 0}
    for section in sections:
        found = section.targets(results[section.NAME]["raw"]) if section.NAME in results else []
        lines += [figures.target_line(target, section.TITLE) for target in found] + kept.targets(section)
        for target in found:
            told[figures.verdict(target)] += 1
    text = _read("template.md")
    # Not re.sub's own replacement: figures may hold backslashes.
    for section in sections:
        place = "{{section %s}}\n" % section.NAME
        text = text.replace(place, _section(section, results.get(section.NAME), _notes(), kept))
    text = text.replace("{{targets}}", figures.targets(lines) if lines else "None was measured.")
    text = text.replace("{{made}}", _made(results, quick, kept))
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)
    return told

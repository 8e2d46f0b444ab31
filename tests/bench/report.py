"""Writes the document: template.md around the figures, notes.md where a person has something to say.

template.md has a line `{{section NAME}}` for each section, `{{targets}}` and `{{made}}`. notes.md has a
heading `## NAME` per section with what is to stand below its figures, such as the reason why a target is
not reached; it is written by hand and never by a program.
"""
import os
import re

import figures

RUNS = 5  # of which a figure is the median
HERE = os.path.dirname(os.path.abspath(__file__))


def _read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def _notes():
    """NAME → text. What stands before the first heading is for the writers of notes."""
    parts = re.split(r"^## (\w+)\n", _read("notes.md"), flags=re.M)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2]) if text.strip()}


def _section(section, result, notes):
    text = "## %s\n\n" % section.TITLE
    if result is None:
        return text + "Not measured yet: `tests/bench/run --only %s`.\n" % section.NAME
    parts = [section.render(result["raw"])]
    if result["runs"] != RUNS:
        parts.insert(0, "*Preliminary: medians of %d, where the others are of %d.*" % (result["runs"], RUNS))
    if section.NAME in notes:
        parts.append(notes[section.NAME])
    return text + "\n\n".join(parts) + "\n"


def _made(results, quick):
    if quick:
        return "**This is a quick run, which shows that measuring works: its figures mean nothing.**"
    made = {}
    for result in results.values():
        made.setdefault(result["date"], set()).add(result["commit"])
    return "Measured on %s." % "; ".join(
        "%s at commit %s" % (date, ", ".join(sorted(commits))) for date, commits in sorted(made.items()))


def write(path, sections, results, quick):
    """Returns how many targets were reached ("yes") and were not ("no")."""
    measured = [section for section in sections if section.NAME in results]
    targets = [(target, section.TITLE) for section in measured
               for target in section.targets(results[section.NAME]["raw"])]
    text = _read("template.md")
    # Not re.sub's own replacement: figures may hold backslashes.
    for section in sections:
        place = "{{section %s}}\n" % section.NAME
        text = text.replace(place, _section(section, results.get(section.NAME), _notes()))
    text = text.replace("{{targets}}", figures.targets(targets) if targets else "None was measured.")
    text = text.replace("{{made}}", _made(results, quick))
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)
    verdicts = [figures.verdict(target) for target, _ in targets]
    return {verdict: verdicts.count(verdict) for verdict in ("yes", "no")}

"""Medians, numbers as people read them, Markdown tables, targets."""
import statistics


def median(values):
    return statistics.median(values)


def count(value):
    """1234567.8 → 1,234,568"""
    return "{:,.0f}".format(value)


def digits(value, places=2):
    return "{:,.{places}f}".format(value, places=places)


def mb(value):
    return "{:,.1f} MB".format(value / 1e6)


def spread(values):
    """Median, with the lowest and the highest beside it."""
    if len(values) == 1:
        return count(values[0])
    return "%s (%s … %s)" % (count(median(values)), count(min(values)), count(max(values)))


def table(heads, rows):
    """The first column is text, the others are figures."""
    return "\n".join([_line(heads), "|---" + "|---:" * (len(heads) - 1) + "|"] + [_line(row) for row in rows])


def _line(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def bars(pairs, width=40):
    """Text and value, drawn as a bar of characters."""
    longest = max(value for _, value in pairs) or 1
    wide = max(len(text) for text, _ in pairs)
    lines = ["%s  %s %s" % (text.rjust(wide), "█" * max(1, round(width * value / longest)), digits(value))
             for text, value in pairs]
    return "```\n" + "\n".join(lines) + "\n```"


def at_least(figure, value, bound, unit=""):
    return _target(figure, value, "≥ ", bound, unit, value >= bound)


def at_most(figure, value, bound, unit=""):
    return _target(figure, value, "≤ ", bound, unit, value <= bound)


def more_than(figure, value, bound, unit=""):
    return _target(figure, value, "> ", bound, unit, value > bound)


def less_than(figure, value, bound, unit=""):
    return _target(figure, value, "< ", bound, unit, value < bound)


def verdict(target):
    return "yes" if target["reached"] else "no"


def _target(figure, value, sign, bound, unit, reached):
    def show(number):
        text = count(number) if abs(number) >= 1000 else digits(number, 2)
        return text + (" " + unit if unit else "")
    return {"figure": figure, "value": show(value), "target": sign + show(bound), "reached": bool(reached)}


def _told(target):
    return "yes" if target["reached"] else "**no**"


def target_line(target, title):
    """Of the table of all targets; title is its section's."""
    return _line([target["figure"], target["value"], target["target"], _told(target),
                  "[%s](#%s)" % (title, anchor(title))])


def targets(lines):
    """The table of all targets."""
    return "\n".join([table(["figure", "measured", "target", "reached", "section"], []), *lines])


def anchor(title):
    """Of a heading, as GitHub and others make it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")

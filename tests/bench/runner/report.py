"""What is promised, and what was measured: as a table and as JSON."""

import json
import statistics


class Promise:
    """Of the ratio of Parley to a baseline, or of what was measured of Parley itself, where there is none. With no
    bound it is only shown."""

    def __init__(self, what, unit, at_least=None, at_most=None):
        self.what, self.unit, self.at_least, self.at_most = what, unit, at_least, at_most
        self.parley, self.baseline, self.beside = [], [], ""

    def measured(self, parley, baseline=(), beside=""):
        """The results of all rounds; beside: what there is to say of the baseline."""
        self.parley, self.baseline, self.beside = list(parley), list(baseline), beside

    def ratio(self):
        return statistics.median(self.parley) / statistics.median(self.baseline) if self.baseline else None

    def kept(self):
        judged = self.ratio() if self.baseline else statistics.median(self.parley)
        if self.at_least is None and self.at_most is None:
            return "shown"
        kept = judged >= self.at_least if self.at_most is None else judged <= self.at_most
        return "kept" if kept else "not kept"

    def bound(self):
        if self.at_least is None and self.at_most is None:
            return ""
        bound = f">= {number(self.at_least)}" if self.at_most is None else f"<= {number(self.at_most)}"
        return f"ratio {bound}" if self.baseline else bound + self.unit

    def cells(self):
        ratio = f"{self.ratio():.2f}" if self.baseline else ""
        baseline = " ".join(filter(None, [spread(self.baseline, self.unit), self.beside]))
        return self.what, spread(self.parley, self.unit), baseline, ratio, self.bound(), self.kept()

    def as_json(self):
        return {"what": self.what, "unit": self.unit.strip(), "parley": self.parley, "baseline": self.baseline,
                "beside": self.beside, "ratio": self.ratio(), "at_least": self.at_least, "at_most": self.at_most,
                "kept": {"kept": True, "not kept": False}.get(self.kept())}


def number(value):
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def spread(values, unit):
    """The median, and between which bounds all are."""
    if not values:
        return ""
    median = number(statistics.median(values)) + unit
    return median if len(values) == 1 else f"{median} ({number(min(values))} - {number(max(values))})"


def medians(results):
    """Of the times of calls, and of what each used."""
    return {name: statistics.median(result[name] for result in results)
            for name in results[0] if name.endswith(("_ms", "_us", "_bytes"))}


def write(promises, details, about, file):
    file.write_text(json.dumps({"about": about, "promises": [promise.as_json() for promise in promises],
                                "details": details}, indent=1) + "\n")


def text(promises, details, about):
    rows = [("what", "Parley", "baseline", "ratio", "promise", "")] + [promise.cells() for promise in promises]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.append("")
    for what, figures in (details | about).items():
        shown = (f"{name} {number(value) if type(value) in (int, float) else value}" for name, value in figures.items())
        lines.append(f"{what}: {', '.join(shown)}")
    return "\n".join(lines)

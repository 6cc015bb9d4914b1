"""Draws the accuracies of records as an SVG chart, with the standard library alone.

    python3 results/figure.py results/quickstart/record.json results/quickstart/accuracy.svg

A record file holds one record or a list of them.
"""

import json
import sys
from html import escape

COLORS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377")
BAR, GAP, TOP, HEIGHT, LEFT = 26, 34, 58, 240, 46


def bars(record):
    """(name, estimate) of each bar of a record."""
    yield "clean", record["clean"]
    for attack in record["attacks"]:
        yield attack["name"], attack["robust"]
    if record["worst_case"]:
        yield "worst case", record["worst_case"]


def text(x, y, content, anchor="middle", size=12):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(content)}</text>'


def y_of(fraction):
    return TOP + HEIGHT * (1 - fraction)


def draw(records):
    groups = [list(bars(record)) for record in records]
    names = [name for name, _ in groups[0]]
    width = LEFT + sum(len(group) * BAR + GAP for group in groups) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 50}" '
        'font-family="sans-serif" fill="#222">',
        f'<rect width="{width}" height="{TOP + HEIGHT + 50}" fill="white"/>',
    ]
    for percent in range(0, 101, 20):
        y = y_of(percent / 100)
        parts.append(f'<line x1="{LEFT}" x2="{width - 10}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y + 4, f"{percent} %", "end", 11))
    x = LEFT
    for i, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="14" width="12" height="12" fill="{COLORS[i % len(COLORS)]}"/>')
        parts.append(text(x + 16, 24, name, "start"))
        x += 34 + 7 * len(name)
    x = LEFT + GAP / 2
    for record, group in zip(records, groups):
        parts.append(text(x + len(group) * BAR / 2, TOP + HEIGHT + 20, record["model"]["name"]))
        for i, (_, estimate) in enumerate(group):
            low, top, high = (y_of(estimate[end]) for end in ("low", "accuracy", "high"))
            color, middle = COLORS[i % len(COLORS)], x + BAR / 2
            parts.append(f'<rect x="{x + 1:.1f}" y="{top:.1f}" width="{BAR - 2}" height="{TOP + HEIGHT - top:.1f}" fill="{color}"/>')
            parts.append(f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}M{middle - 4:.1f} {low:.1f}h8M{middle - 4:.1f} {high:.1f}h8" stroke="#222"/>')
            x += BAR
        x += GAP
    confidence = f'{100 * records[0]["confidence"]:g} % intervals, {records[0]["examples"]} examples of {records[0]["data"]["name"]}'
    parts.append(text(width / 2, TOP + HEIGHT + 42, confidence, size=11))
    return "\n".join(parts + ["</svg>", ""])


def main():
    source, target = sys.argv[1:]
    with open(source) as file:
        records = json.load(file)
    with open(target, "w") as file:
        file.write(draw(records if isinstance(records, list) else [records]))


if __name__ == "__main__":
    main()

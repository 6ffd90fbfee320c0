"""The tables of the health pipeline as the JSON lines that health_pipeline.py checks, read by PyIceberg.

    python health_tables.py WAREHOUSE OUT    WAREHOUSE/health/NAME → OUT/NAME/rows.jsonl

Prints how many rows each table has.
"""

import datetime
import json
import pathlib
import re
import sys

from pyiceberg.table import StaticTable


def plain(value):
    if isinstance(value, datetime.datetime):
        at = value.astimezone(datetime.timezone.utc)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return value


def newest(table):
    files = (table / "metadata").glob("v*.metadata.json")
    return max(files, key=lambda file: int(re.match(r"v(\d+)", file.name)[1]))


def main(warehouse, out):
    counts = {}
    for name in ("vitals", "vitals_hourly", "dlq"):
        table = pathlib.Path(warehouse, "health", name)
        rows = []
        if table.exists():
            rows = StaticTable.from_metadata(str(newest(table))).scan().to_arrow().to_pylist()
        counts[name] = len(rows)
        folder = pathlib.Path(out, name)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "rows.jsonl", "w", encoding="utf-8") as lines:
            for row in rows:
                lines.write(json.dumps(plain(row)) + "\n")
    print(json.dumps(counts))


main(*sys.argv[1:])

"""The tables of the health pipeline as the JSON lines that health_pipeline.py checks, read by PyIceberg.

    python health_tables.py WAREHOUSE OUT    WAREHOUSE/health/NAME → OUT/NAME/rows.jsonl
    python health_tables.py http://… OUT     the tables of a REST catalog; DuckDB must see the same rows

Prints how many rows each table has.
"""

import collections
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


def of_folder(warehouse, name):
    table = pathlib.Path(warehouse, "health", name)
    if not table.exists():
        return []
    return StaticTable.from_metadata(str(newest(table))).scan().to_arrow().to_pylist()


def of_catalog(uri, name):
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError

    import iceberg_rows

    try:
        table = load_catalog("rest", type="rest", uri=uri).load_table(f"health.{name}")
    except NoSuchTableError:
        return []
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    connection = iceberg_rows.connect()
    iceberg_rows.attach(connection, uri)
    source = iceberg_rows.quoted(f"health.{name}")
    rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().to_pylist()
    pinned = f"{source} AT (VERSION => {snapshot.snapshot_id})"
    same = iceberg_rows.rows_of_duckdb(connection, pinned)
    # The table may have grown meanwhile: what is current now may have more, never less.
    later = iceberg_rows.rows_of_duckdb(connection, source)
    mine = collections.Counter(text(iceberg_rows.plain(row)) for row in rows)
    problems = [
        *differences("of one snapshot, DuckDB does not see", mine, counted(same)),
        *differences("of one snapshot, only DuckDB sees", counted(same), mine),
        *differences("later DuckDB does not see", mine, counted(later)),
        *differences("DuckDB sees twice", counted(later), collections.Counter({*counted(later)})),
    ]
    if problems:
        raise SystemExit(f"{name}, {snapshot.snapshot_id}: " + "; ".join(problems))
    return rows


def counted(rows):
    return collections.Counter(map(text, rows))


def differences(what, some, others):
    rows = list((some - others).elements())
    return [f"{what} {len(rows)} of {sum(some.values())} rows: {rows[:2]}"] if rows else []


def text(row):
    return json.dumps(row, sort_keys=True)


def main(place, out):
    counts = {}
    for name in ("vitals", "vitals_hourly", "dlq"):
        rows = of_catalog(place, name) if place.startswith("http") else of_folder(place, name)
        counts[name] = len(rows)
        folder = pathlib.Path(out, name)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "rows.jsonl", "w", encoding="utf-8") as lines:
            for row in rows:
                lines.write(json.dumps(plain(row)) + "\n")
    print(json.dumps(counts))


main(*sys.argv[1:])

"""The tables of the health pipeline as the JSON lines that health_pipeline.py checks, read by PyIceberg.

    python health_tables.py WAREHOUSE OUT    WAREHOUSE/health/NAME → OUT/NAME/rows.jsonl
    python health_tables.py http://… OUT     the tables of a REST catalog; DuckDB must see the same rows
    python health_tables.py s3://… OUT       of a folder in a bucket, on the server of iceberg_rows.py

Prints how many rows each table has.
"""

import collections
import datetime
import json
import pathlib
import re
import sys

from pyiceberg.table import StaticTable

METADATA = re.compile(r"v(\d+)\.metadata\.json$")


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


def of_bucket(warehouse, name):
    from pyarrow import fs

    import iceberg_rows

    access = iceberg_rows.s3_properties()
    bucket = fs.S3FileSystem(
        endpoint_override=access["s3.endpoint"],
        access_key=access["s3.access-key-id"],
        secret_key=access["s3.secret-access-key"],
        region=access["s3.region"],
    )
    folder = f"{re.sub('^s3a?://', '', warehouse)}/health/{name}/metadata"
    files = bucket.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    versions = [int(found[1]) for file in files if (found := METADATA.match(file.base_name))]
    if not versions:
        return []
    newest = f"s3://{folder}/v{max(versions)}.metadata.json"
    return StaticTable.from_metadata(newest, properties=access).scan().to_arrow().to_pylist()


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
    schemes = {"http": of_catalog, "https": of_catalog, "s3": of_bucket, "s3a": of_bucket}
    rows_of = schemes.get(place.split(":")[0], of_folder)
    for name in ("vitals", "vitals_hourly", "dlq"):
        rows = rows_of(place, name)
        counts[name] = len(rows)
        folder = pathlib.Path(out, name)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "rows.jsonl", "w", encoding="utf-8") as lines:
            for row in rows:
                lines.write(json.dumps(plain(row)) + "\n")
    print(json.dumps(counts))


main(*sys.argv[1:])

"""Reads and writes Parquet files with pyarrow and DuckDB, for comparison with Tidemark.

    parquet_rows.py read FOLDER         schema and rows of all finished files, as one JSON line
    parquet_rows.py write FOLDER        files as other programs write them, into FOLDER
    parquet_rows.py check FOLDER N      the files hold rows 0 to N-1 of the job parquet.ts, each once
    parquet_rows.py check FOLDER N --subset    some of them, none twice, all of them right

Needs pyarrow and duckdb. Only finished files count: what begins with a dot does not.
"""

import base64
import datetime
import decimal
import json
import os
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def finished(folder):
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield os.path.join(path, name)


def micros(value):
    return (value - EPOCH) // datetime.timedelta(microseconds=1)


def plain(value):
    """JSON for any value: bytes in base64, times in microseconds."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return {"micros": micros(value)}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def read(folder):
    files = list(finished(folder))
    tables = [pq.read_table(file, partitioning=None) for file in files]
    rows = [plain(row) for table in tables for row in table.to_pylist()]
    relation = duckdb.sql(f"FROM read_parquet({files!r})")
    names = relation.columns
    found = [plain(dict(zip(names, row))) for row in relation.fetchall()]
    return {
        "schema": {field.name: [str(field.type), field.nullable] for field in tables[0].schema},
        "groups": [pq.read_metadata(file).num_row_groups for file in files],
        "codecs": sorted(
            {pq.read_metadata(file).row_group(0).column(0).compression for file in files}
        ),
        "rows": rows,
        "duckdb": found,
    }


def write(folder):
    os.makedirs(folder, exist_ok=True)
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    early = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    table = pa.table(
        {
            "i": pa.array([1, None, -3], pa.int32()),
            "small": pa.array([1, 2, 3], pa.uint8()),
            "big": pa.array([2**62, 1, -(2**62)], pa.int64()),
            "float": pa.array([0.5, None, -2.25], pa.float32()),
            "double": pa.array([0.1, 1e300, None], pa.float64()),
            "flag": pa.array([True, False, None]),
            "text": pa.array(["é", None, "🌊"]),
            "bytes": pa.array([b"\x00\xff", b"", None]),
            "ms": pa.array([at, None, early], pa.timestamp("ms", tz="UTC"), safe=False),
            "us": pa.array([at, early, None], pa.timestamp("us", tz="UTC")),
            "ns": pa.array([at, early, None], pa.timestamp("ns", tz="UTC")),
            "day": pa.array([datetime.date(2026, 1, 2), None, datetime.date(1969, 12, 31)]),
            "money": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-0.50")]),
            "list": pa.array([[1, None], [], None], pa.list_(pa.int32())),
            "nested": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}]),
            "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        }
    )
    for codec in ("NONE", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"):
        for version in ("1.0", "2.0"):
            path = os.path.join(folder, f"{codec.lower()}-{version}.parquet")
            pq.write_table(table, path, compression=codec, data_page_version=version)
    many = pa.table({"id": range(300_000), "name": [f"name {n % 1000}" for n in range(300_000)]})
    pq.write_table(many, os.path.join(folder, "many.parquet"), row_group_size=200_000)
    duckdb.sql("SELECT * FROM many").write_parquet(os.path.join(folder, "many-duckdb.parquet"))


def expected(n):
    return {
        "id": n,
        "amount": n * 7919,
        "price": n / 4,
        "text": f"row {n}" if n % 3 else None,
        "time": EPOCH + datetime.timedelta(milliseconds=1_700_000_000_000 + n),
        "tags": [f"t{i}" for i in range(n % 4)],
    }


def check(folder, count, subset):
    seen = set()
    for file in finished(folder):
        # Raises for a file that is not complete.
        for row in pq.read_table(file, partitioning=None).to_pylist():
            n = row["id"]
            if n in seen:
                raise SystemExit(f"{file}: row {n} is there twice")
            if not 0 <= n < count or row != expected(n):
                raise SystemExit(f"{file}: {row} is not row {n}")
            seen.add(n)
    if not subset and len(seen) != count:
        raise SystemExit(f"{len(seen)} rows of {count}")
    print(len(seen))


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "read":
        print(json.dumps(read(arguments[1])))
        return 0
    if len(arguments) == 2 and arguments[0] == "write":
        write(arguments[1])
        return 0
    if len(arguments) >= 3 and arguments[0] == "check":
        check(arguments[1], int(arguments[2]), "--subset" in arguments[3:])
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

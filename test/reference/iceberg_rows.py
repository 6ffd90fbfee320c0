"""What PyIceberg and DuckDB see in an Iceberg table, as JSON; and rows that they write.

read hadoop LOCATION METADATA          rows by both, entries and files behind filters by PyIceberg
read rest URI TABLE
watch LOCATION                         counts by DuckDB, a line each time standard input has one
append rest URI TABLE JSON             PyIceberg appends rows
insert rest URI TABLE SQL              DuckDB runs INSERT INTO lake.TABLE …
alter rest URI TABLE JSON              PyIceberg changes the columns: [["rename_column", "a", "b"], …]
set rest URI TABLE JSON                PyIceberg sets properties
partition rest URI TABLE COLUMN        PyIceberg partitions by one more column
compact rest URI TABLE                 PyIceberg writes all rows anew, in the place of what there is
drop rest URI TABLE
transformed rest URI TABLE             partitions as they are written, and as PyIceberg makes them of the rows

Tables in buckets are read from the server at TEST_S3_ENDPOINT, with TEST_S3_ACCESS_KEY and TEST_S3_SECRET_KEY.
"""

import base64
import datetime
import decimal
import json
import math
import os
import pathlib
import sys
import uuid

import duckdb

S3_ENDPOINT = os.environ.get("TEST_S3_ENDPOINT")


def plain(value):
    """Values as JSON has them, the same for both readers."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
            return value.isoformat(timespec="microseconds") + "Z"
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def connect():
    connection = duckdb.connect()
    # The extensions come from the registry of Python packages, so nothing else is asked for them.
    for name in ("avro", "httpfs", "iceberg"):
        [path] = pathlib.Path(sys.prefix).glob(f"lib/python*/site-packages/**/{name}.duckdb_extension")
        connection.execute(f"LOAD '{path}'")
    connection.execute("SET TimeZone = 'UTC'")
    if S3_ENDPOINT is not None:
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{os.environ['TEST_S3_ACCESS_KEY']}',"
            f" SECRET '{os.environ['TEST_S3_SECRET_KEY']}', REGION 'us-east-1',"
            f" ENDPOINT '{S3_ENDPOINT.split('://')[1]}', URL_STYLE 'path', USE_SSL false)"
        )
    return connection


def attach(connection, uri):
    connection.execute(
        f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{uri}', AUTHORIZATION_TYPE 'none')"
    )


def quoted(table):
    namespace, name = table.rsplit(".", 1)
    return f'lake."{namespace}"."{name}"'


def rows_of_duckdb(connection, source):
    cursor = connection.execute(f"SELECT * FROM {source}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, map(plain, row))) for row in cursor.fetchall()]


def s3_properties():
    if S3_ENDPOINT is None:
        return {}
    return {
        "s3.endpoint": S3_ENDPOINT,
        "s3.access-key-id": os.environ["TEST_S3_ACCESS_KEY"],
        "s3.secret-access-key": os.environ["TEST_S3_SECRET_KEY"],
        "s3.region": "us-east-1",
    }


def load(arguments):
    from pyiceberg.table import StaticTable

    if arguments[0] == "hadoop":
        return StaticTable.from_metadata(arguments[2], properties=s3_properties())
    return catalog_at(arguments[1]).load_table(arguments[2])


def catalog_at(uri):
    from pyiceberg.catalog import load_catalog

    return load_catalog("rest", type="rest", uri=uri)


def entries_of(table):
    """Of the current snapshot: sequence numbers as they are inherited, counts, and bounds as bytes."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    return [
        {
            "sequence": entry.sequence_number,
            "snapshot": str(entry.snapshot_id),
            "path": entry.data_file.file_path,
            "rows": entry.data_file.record_count,
            "values": dict((entry.data_file.value_counts or {}).items()),
            "nulls": dict((entry.data_file.null_value_counts or {}).items()),
            "nans": dict((entry.data_file.nan_value_counts or {}).items()),
            "lower": {id: value.hex() for id, value in (entry.data_file.lower_bounds or {}).items()},
            "upper": {id: value.hex() for id, value in (entry.data_file.upper_bounds or {}).items()},
            "splits": list(entry.data_file.split_offsets or []),
        }
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io)
    ]


def read(arguments):
    table = load(arguments)
    connection = connect()
    if arguments[0] == "hadoop":
        source = f"iceberg_scan('{arguments[1]}')"
    else:
        attach(connection, arguments[1])
        source = quoted(arguments[2])
    json.dump(
        {
            "rows": [plain(row) for row in table.scan().to_arrow().to_pylist()],
            "duckdb": rows_of_duckdb(connection, source),
            "snapshots": [
                {
                    "id": str(snapshot.snapshot_id),
                    "sequence": snapshot.sequence_number,
                    "summary": {
                        "operation": snapshot.summary.operation.value,
                        **snapshot.summary.additional_properties,
                    },
                }
                for snapshot in table.snapshots()
            ],
            "partitions": [plain(row) for row in table.inspect.partitions().to_pylist()],
            "entries": entries_of(table),
            "files": {
                text: len(list(table.scan(row_filter=text).plan_files()))
                for text in arguments[3:]
            },
        },
        sys.stdout,
    )


def watch(arguments):
    connection = connect()
    counts = "count(*), count(DISTINCT id), coalesce(sum(id), 0)"
    # Python takes the lines of standard input one by one only so.
    for _ in iter(sys.stdin.readline, ""):
        try:
            cursor = connection.execute(f"SELECT {counts} FROM iceberg_scan('{arguments[0]}')")
            [rows, ids, total] = cursor.fetchone()
            print(json.dumps({"rows": rows, "ids": ids, "sum": int(total)}), flush=True)
        except duckdb.Error as error:
            print(json.dumps({"error": str(error)}), flush=True)


def append(arguments):
    import pyarrow

    table = load(arguments)
    rows = pyarrow.Table.from_pylist(json.loads(arguments[3]), schema=table.schema().as_arrow())
    table.append(rows)


def insert(arguments):
    connection = connect()
    attach(connection, arguments[1])
    connection.execute(f"INSERT INTO {quoted(arguments[2])} {arguments[3]}")


def alter(arguments):
    table = load(arguments)
    with table.update_schema(allow_incompatible_changes=True) as update:
        for [name, *values] in json.loads(arguments[3]):
            options = values.pop() if values and isinstance(values[-1], dict) else {}
            if name == "add_column":
                values[1] = type_of(values[1])
            getattr(update, name)(*values, **options)


def type_of(name):
    from pyiceberg.types import IntegerType, StringType

    return {"int": IntegerType(), "string": StringType()}[name]


def set_properties(arguments):
    table = load(arguments)
    with table.transaction() as transaction:
        transaction.set_properties(json.loads(arguments[3]))


def partition(arguments):
    table = load(arguments)
    with table.update_spec() as update:
        update.add_identity(arguments[3])


def compact(arguments):
    table = load(arguments)
    table.overwrite(table.scan().to_arrow())


def drop(arguments):
    catalog_at(arguments[1]).drop_table(arguments[2])


def transformed(arguments):
    """Of each data file the partition that is written, and the one that PyIceberg makes of its rows."""
    from pyiceberg.io.pyarrow import ArrowScan

    table = load(arguments)
    schema, spec = table.schema(), table.spec()
    found = []
    for task in table.scan().plan_files():
        scan = ArrowScan(table.metadata, table.io, schema, table.scan().row_filter)
        rows = scan.to_table([task])
        expected = set()
        for row in rows.to_pylist():
            values = []
            for field in spec.fields:
                source = schema.find_field(field.source_id)
                value = stored(source.field_type, row[source.name])
                values.append(field.transform.transform(source.field_type)(value))
            expected.add(tuple(map(str, values)))
        written = [str(task.file.partition[at]) for at in range(len(spec.fields))]
        found.append({"written": written, "expected": [list(each) for each in expected]})
    json.dump(found, sys.stdout)


def stored(kind, value):
    """As PyIceberg's transforms take values."""
    from pyiceberg.utils import datetime as times

    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            return times.datetime_to_micros(value.astimezone(datetime.timezone.utc))
        return times.datetime_to_micros(value)
    if isinstance(value, datetime.date):
        return times.date_to_days(value)
    return value


COMMANDS = {
    "read": read,
    "watch": watch,
    "append": append,
    "insert": insert,
    "alter": alter,
    "set": set_properties,
    "partition": partition,
    "compact": compact,
    "drop": drop,
    "transformed": transformed,
}
if __name__ == "__main__":
    COMMANDS[sys.argv[1]](sys.argv[2:])

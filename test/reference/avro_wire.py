"""Orders in the wire format of schema registries, by fastavro: an implementation that is not ours.

avro_wire.py write SCHEMA ID COUNT   prints COUNT orders as hex, one a line
avro_wire.py read SCHEMA ID          reads such lines and prints what is in them as JSON, one a line
"""

import datetime as dt
import decimal
import io
import json
import struct
import sys
import uuid

import fastavro


def order(n):
    return {
        "id": uuid.UUID(int=n),
        "n": n * 1_000_000_007,
        "amount": decimal.Decimal(n * 5 - 1_000).scaleb(-2),
        "day": dt.date(1969, 12, 30) + dt.timedelta(days=n),
        "at": dt.datetime(2026, 11, 30, tzinfo=dt.timezone.utc) + dt.timedelta(milliseconds=n),
        "micros": dt.datetime(2026, 11, 30, tzinfo=dt.timezone.utc) + dt.timedelta(microseconds=n),
        "note": None if n % 2 == 0 else f"über {n}",
        "tags": [f"t{i}" for i in range(n % 4)],
        "counts": {f"k{i}": i for i in range(n % 3)},
        "status": ["NEW", "DONE"][n % 2],
    }


def plain(value):
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)) // dt.timedelta(microseconds=1)
    if isinstance(value, (dt.date, decimal.Decimal, uuid.UUID)):
        return str(value)
    raise TypeError(type(value))


def main(command, schema, schema_id, count="0"):
    schema = fastavro.parse_schema(json.loads(schema))
    if command == "write":
        for n in range(int(count)):
            out = io.BytesIO()
            out.write(struct.pack(">bI", 0, int(schema_id)))
            fastavro.schemaless_writer(out, schema, order(n))
            print(out.getvalue().hex())
        return
    for line in sys.stdin:
        data = bytes.fromhex(line)
        magic, found = struct.unpack(">bI", data[:5])
        assert (magic, found) == (0, int(schema_id)), (magic, found)
        body = io.BytesIO(data[5:])
        value = fastavro.schemaless_reader(body, schema, None)
        assert body.read() == b""
        print(json.dumps(value, default=plain, sort_keys=True))


main(*sys.argv[1:])

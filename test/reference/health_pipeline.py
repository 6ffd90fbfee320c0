"""What the health pipeline must produce, computed without Tidemark.

Reads the two CSV files, applies the rules of the job in one pass over plain dictionaries, and
either prints the expected ledger or compares an output folder with what it computed.

    python3 health_pipeline.py ledger DATA              the counts, as one JSON line
    python3 health_pipeline.py check DATA OUT           OUT holds exactly the expected lines
    python3 health_pipeline.py check DATA OUT --subset  OUT holds no line twice and none that is not expected
    python3 health_pipeline.py tables DATA OUT          writes the expected lines: OUT/NAME.jsonl

Only finished files count: names that start with a dot, and what lies in such folders, do not.
Needs nothing but the standard library.
"""

import collections
import csv
import datetime
import gzip
import json
import math
import os
import re
import sys

UTC = datetime.timezone.utc
RANGES = {
    "glucose": (40, 400),
    "isig": (0, 100),
    "power": (0, 2000),
    "cadence": (0, 250),
    "speed": (0, 40),
}
UNITS = {"glucose": "mg/dL", "isig": "nA", "power": "W", "cadence": "rpm", "speed": "m/s"}
RIDE_STARTS = datetime.datetime(2010, 5, 1, 8, 0, 0, tzinfo=UTC)
HOUR = datetime.timedelta(hours=1)


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def number(text):
    """The value of a cell; NaN where it is no number, as the job sees it."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def readings(data):
    for row_number, row in enumerate(rows(os.path.join(data, "CGM.csv.gz")), 1):
        at = datetime.datetime.strptime(row["datetime"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        for metric in ("glucose", "isig"):
            yield "cgm-1", metric, row[metric], at, "CGM.csv.gz", row_number
    for row_number, row in enumerate(rows(os.path.join(data, "cycling.csv.gz")), 1):
        match = re.fullmatch(r"(\d+) days (\d+):(\d+):(\d+)", row["time"])
        days, hours, minutes, seconds = (int(part) for part in match.groups())
        at = RIDE_STARTS + datetime.timedelta(
            days=days, hours=hours, minutes=minutes, seconds=seconds
        )
        for metric in ("power", "cadence", "speed"):
            yield "bike-1", metric, row[metric], at, "cycling.csv.gz", row_number


def iso(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def judged(data):
    """Each expected record with its table, one by one, those of the hours last."""
    hourly = {}
    seen = set()
    for device, metric, text, at, source, row_number in readings(data):
        value = number(text)
        low, high = RANGES[metric]
        if not math.isfinite(value):
            reason = "not-finite"
        elif not low <= value <= high:
            reason = "out-of-range"
        elif (device, metric, at) in seen:
            reason = "duplicate"
        else:
            reason = None
        record = {"deviceId": device, "metric": metric, "unit": UNITS[metric], "ts": iso(at)}
        if reason is not None:
            record["value"] = text
            yield "dlq", {"reason": reason, "source": source, "row": row_number, "record": record}
            continue
        seen.add((device, metric, at))
        record["value"] = value
        yield "vitals", record
        start = at.replace(minute=0, second=0)
        window = hourly.setdefault((device, metric, start), [0, math.inf, -math.inf, 0])
        window[0] += 1
        window[1] = min(window[1], value)
        window[2] = max(window[2], value)
        # The sensors give three decimals at the most: whole thousandths are exact in any order.
        window[3] += round(value * 1000)
    for (device, metric, start), (count, low, high, total) in hourly.items():
        yield "vitals_hourly", {
            "deviceId": device,
            "metric": metric,
            "windowStart": iso(start),
            "windowEnd": iso(start + HOUR),
            "count": count,
            "min": low,
            "max": high,
            "mean": total / (count * 1000),
        }


TABLES = ("vitals", "vitals_hourly", "dlq")


def compute(data):
    tables = {name: [] for name in TABLES}
    for name, record in judged(data):
        tables[name].append(record)
    # Every reading is either a vital or a dead letter.
    return len(tables["vitals"]) + len(tables["dlq"]), tables


def write_tables(data, out):
    """Line by line: a large input need not be in memory."""
    os.makedirs(out, exist_ok=True)
    files = {name: open(os.path.join(out, f"{name}.jsonl"), "w") for name in TABLES}
    for name, record in judged(data):
        files[name].write(json.dumps(record) + "\n")
    for file in files.values():
        file.close()


def canonical(record):
    """One text per record, whatever the order of its fields and the form of its numbers."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in sorted(value.items())}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        return value

    return json.dumps(plain(record), sort_keys=True)


def finished_lines(folder):
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            full = os.path.join(path, name)
            text = gzip.open(full, "rt") if name.endswith(".gz") else open(full, encoding="utf-8")
            with text:
                for line in text:
                    if not line.endswith("\n"):
                        raise SystemExit(f"torn line at the end of {full}")
                    yield canonical(json.loads(line))


def check(data, out, subset):
    _, tables = compute(data)
    wrong = 0
    for name, records in tables.items():
        expected = collections.Counter(canonical(record) for record in records)
        found = collections.Counter(finished_lines(os.path.join(out, name)))
        surplus = found - expected
        missing = expected - found
        if surplus or (missing and not subset):
            wrong += 1
            print(
                f"{name}: {sum(surplus.values())} lines too many, "
                f"{sum(missing.values())} missing",
                file=sys.stderr,
            )
            for line in list(surplus)[:3]:
                print(f"  too many: {line}", file=sys.stderr)
            if not subset:
                for line in list(missing)[:3]:
                    print(f"  missing:  {line}", file=sys.stderr)
        else:
            print(f"{name}: {sum(found.values())} of {sum(expected.values())} lines, all right")
    return 1 if wrong else 0


def ledger(data):
    read, tables = compute(data)
    reasons = collections.Counter(entry["reason"] for entry in tables["dlq"])
    return {
        "read": read,
        "valid": len(tables["vitals"]),
        "windows": len(tables["vitals_hourly"]),
        "dlq": dict(sorted(reasons.items())),
    }


def main(arguments):
    if len(arguments) >= 2 and arguments[0] == "ledger":
        print(json.dumps(ledger(arguments[1])))
        return 0
    if len(arguments) >= 3 and arguments[0] == "check":
        return check(arguments[1], arguments[2], "--subset" in arguments[3:])
    if len(arguments) >= 3 and arguments[0] == "tables":
        write_tables(arguments[1], arguments[2])
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

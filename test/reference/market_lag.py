"""What the MarketLag example must produce, computed without Tidemark.

    python3 market_lag.py table DATA                the table, as JSON lines in its order
    python3 market_lag.py check DATA OUT            OUT holds exactly the expected lines
    python3 market_lag.py check DATA OUT --subset   OUT holds no line twice and none that is not expected

DATA is the CSV file of prices. Only finished files count: names that start with a dot, and what lies in
such folders, do not. Needs nothing but the standard library.
"""

import collections
import csv
import gzip
import json
import os
import sys

LAGS = range(1, 31)


def compute(data):
    prices = collections.defaultdict(list)
    with gzip.open(data, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            prices[row["Ticker"]].append((row["Date"], float(row["Adj Close"])))
    improvements = []
    table = []
    for symbol, days in prices.items():
        assert days == sorted(days), "trading days go forward"
        # returns[0] is that of the second day.
        returns = [close / days[i][1] - 1 for i, (_, close) in enumerate(days[1:])]
        for lag in LAGS:
            best = None
            for i in range(lag, len(returns)):
                delta = abs(returns[i] - returns[i - lag])
                if best is None or delta > best:
                    best = delta
                    date = days[i + 1][0]
                    improvements.append(
                        {"symbol": symbol, "date": date, "lag": lag, "delta": delta}
                    )
            if best is not None:
                table.append({"symbol": symbol, "lag": lag, "delta": best})
    return {"improvements": improvements, "table": table}


def canonical(record):
    # repr of a float is the shortest text that means it: equal texts, equal numbers.
    return json.dumps({**record, "delta": float(record["delta"])}, sort_keys=True)


def finished_lines(folder):
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            full = os.path.join(path, name)
            with open(full, encoding="utf-8") as text:
                for line in text:
                    if not line.endswith("\n"):
                        raise SystemExit(f"torn line at the end of {full}")
                    yield canonical(json.loads(line))


def check(data, out, subset):
    wrong = 0
    for name, records in compute(data).items():
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


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "table":
        for record in compute(arguments[1])["table"]:
            print(json.dumps(record))
        return 0
    if len(arguments) >= 3 and arguments[0] == "check":
        return check(arguments[1], arguments[2], "--subset" in arguments[3:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

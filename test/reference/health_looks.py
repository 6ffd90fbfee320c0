"""Looks at the tables of the health pipeline again and again, in one process: by PyIceberg and by DuckDB, and
at what other readers have written to files. Each row that is seen must be one that is expected, once, and
whatever any reader of a table has seen before.

    python health_looks.py URI EXPECTED     EXPECTED/NAME.jsonl by health_pipeline.py

A line of standard input is a JSON object, and is answered by one:

    {"table": NAME, "java": FILE, "snapshot": ID}    both read the current snapshot, and then that one too,
                                                     of which all three must see the same; ID may be null
    {"table": NAME, "feed": FILE}                    what a consumer of the topic has seen
    {"table": NAME}                                  how many rows are expected
"""

import json
import pathlib
import sys

from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchTableError

import iceberg_rows

TEXT, DOUBLE, LONG, TIME = "VARCHAR", "DOUBLE", "BIGINT", "TIMESTAMPTZ"
COLUMNS = {
    "vitals": {"deviceId": TEXT, "metric": TEXT, "value": DOUBLE, "unit": TEXT, "ts": TIME},
    "vitals_hourly": {
        "deviceId": TEXT,
        "metric": TEXT,
        "windowStart": TIME,
        "windowEnd": TIME,
        "count": LONG,
        "min": DOUBLE,
        "max": DOUBLE,
        "mean": DOUBLE,
    },
    "dlq": {
        "reason": TEXT,
        "source": TEXT,
        "row": LONG,
        "record": "STRUCT(deviceId VARCHAR, metric VARCHAR, value VARCHAR, unit VARCHAR, ts TIMESTAMPTZ)",
    },
}
SOURCES = {"CGM.csv.gz": "health.cgm-0", "cycling.csv.gz": "health.bike-0"}
SHOWN = 2


def lines_of(name, file):
    columns = ", ".join(f"\"{column}\": '{type}'" for column, type in COLUMNS[name].items())
    return f"read_json('{file}', format = 'newline_delimited', columns = {{{columns}}})"


def hash_of(name):
    """One number for a row's values. That two of some millions of rows have one is one case in a million runs."""
    values = [f'"{column}"::{type}' for column, type in COLUMNS[name].items() if column != "record"]
    if "record" in COLUMNS[name]:
        inner = {"deviceId": TEXT, "metric": TEXT, "value": TEXT, "unit": TEXT, "ts": TIME}
        values += [f'record."{column}"::{type}' for column, type in inner.items()]
    return f"hash({', '.join(values)})"


class Looks:
    def __init__(self, uri, expected):
        self.catalog = load_catalog("rest", type="rest", uri=uri)
        self.connection = iceberg_rows.connect()
        iceberg_rows.attach(self.connection, uri)
        for name in COLUMNS:
            self.expect(name, pathlib.Path(expected, f"{name}.jsonl"))
        self.problems = []

    def run(self, sql):
        return self.connection.execute(sql)

    def number(self, sql):
        return self.run(sql).fetchone()[0]

    def expect(self, name, file):
        lines = lines_of(name, file)
        if name == "dlq":
            cases = " ".join(f"WHEN '{theirs}' THEN '{ours}'" for theirs, ours in SOURCES.items())
            lines = f"(SELECT * REPLACE (CASE source {cases} END AS source) FROM {lines})"
        self.run(f"CREATE TABLE expected_{name} AS SELECT {hash_of(name)} AS id, * FROM {lines}")
        different = self.number(f"SELECT count(DISTINCT id) FROM expected_{name}")
        if different != self.expected(name):
            raise SystemExit(f"{name}: rows that are expected are not different")
        for group in ("tables", "feed"):
            self.run(f"CREATE TABLE before_{group}_{name} (id UBIGINT)")

    def expected(self, name):
        return self.number(f"SELECT count(*) FROM expected_{name}")

    def see(self, reader, name, source):
        """Notes the ids of the rows that a reader sees, in a table. Returns how many rows there are."""
        ids = f"ids_{reader}_{name}"
        self.run(
            f"CREATE OR REPLACE TABLE {ids} AS"
            f" SELECT id, count(*) AS times FROM (SELECT {hash_of(name)} AS id FROM {source}) GROUP BY id"
        )
        strange = f"SELECT i.id FROM {ids} i ANTI JOIN expected_{name} e ON i.id = e.id"
        count = self.number(f"SELECT count(*) FROM ({strange})")
        if count > 0:
            rows = self.run(
                f"SELECT * FROM {source} WHERE {hash_of(name)} IN ({strange}) LIMIT {SHOWN}"
            ).fetchall()
            self.problems.append(f"{reader} sees {count} rows that nobody expects: {rows}")
        self.tell(f"{reader} sees several times", name, f"SELECT id FROM {ids} WHERE times > 1")
        return self.number(f"SELECT coalesce(sum(times), 0)::BIGINT FROM {ids}")

    def tell(self, what, name, ids):
        """A problem, if there are any such rows."""
        count = self.number(f"SELECT count(*) FROM ({ids})")
        if count == 0:
            return
        rows = self.run(
            f"SELECT * FROM expected_{name} WHERE id IN ({ids}) LIMIT {SHOWN}"
        ).fetchall()
        self.problems.append(f"{what} {count} rows of {name}: {rows}")

    def grown(self, reader, name, group):
        """What was seen before is seen by all who look later."""
        before, ids = f"before_{group}_{name}", f"ids_{reader}_{name}"
        gone = f"SELECT b.id FROM {before} b ANTI JOIN {ids} i ON b.id = i.id"
        self.tell(f"{reader} does not see any more", name, gone)
        self.run(f"CREATE OR REPLACE TABLE {before} AS SELECT id FROM {ids}")

    def same(self, one, other, name):
        for a, b in ((one, other), (other, one)):
            ids = f"SELECT a.id FROM ids_{a}_{name} a ANTI JOIN ids_{b}_{name} b ON a.id = b.id"
            self.tell(f"of one snapshot {a} sees, and {b} does not,", name, ids)

    def pyiceberg(self, name, snapshot=None):
        """None if there is nothing to be read."""
        try:
            table = self.catalog.load_table(f"health.{name}")
        except NoSuchTableError:
            return None
        if table.current_snapshot() is None:
            return None
        return table.scan(snapshot_id=snapshot).to_arrow()

    def tables(self, name, java, snapshot):
        rows = {"java": 0, "pyiceberg": 0, "duckdb": 0}
        if snapshot is not None:
            rows["java"] = self.see("java", name, lines_of(name, java))
            self.grown("java", name, "tables")
        current = self.pyiceberg(name)
        if current is None:
            if self.number(f"SELECT count(*) FROM before_tables_{name}") > 0:
                self.problems.append(f"pyiceberg sees nothing in {name} any more")
            return rows
        self.connection.register("arrow", current)
        rows["pyiceberg"] = self.see("pyiceberg", name, "arrow")
        self.connection.unregister("arrow")
        self.grown("pyiceberg", name, "tables")
        source = iceberg_rows.quoted(f"health.{name}")
        rows["duckdb"] = self.see("duckdb", name, source)
        self.grown("duckdb", name, "tables")
        if snapshot is not None:
            self.pinned(name, source, int(snapshot), rows)
        return rows

    def pinned(self, name, source, snapshot, rows):
        """Of one snapshot, all three see the same. Who saw as many rows of the current one saw this one."""
        if rows["pyiceberg"] != rows["java"]:
            self.connection.register("arrow", self.pyiceberg(name, snapshot))
            self.see("pyiceberg", name, "arrow")
            self.connection.unregister("arrow")
        if rows["duckdb"] != rows["java"]:
            self.see("duckdb", name, f"{source} AT (VERSION => {snapshot})")
        self.same("java", "pyiceberg", name)
        self.same("java", "duckdb", name)

    def answer(self, asked):
        self.problems = []
        name = asked["table"]
        if "feed" in asked:
            rows = {"feed": self.see("feed", name, lines_of(name, asked["feed"]))}
            self.grown("feed", name, "feed")
        elif "java" in asked:
            rows = self.tables(name, asked["java"], asked["snapshot"])
        else:
            rows = {"expected": self.expected(name)}
        return {"rows": rows, "problems": self.problems}


looks = Looks(*sys.argv[1:])
# Python takes the lines of standard input one by one only so.
for line in iter(sys.stdin.readline, ""):
    print(json.dumps(looks.answer(json.loads(line))), flush=True)

package org.apache.iceberg.rest;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.Map;
import org.apache.iceberg.Snapshot;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.types.Types;

/**
 * Looks at tables of a REST catalog again and again, in one process. Argument: URI. A line `TABLE FILE` of
 * standard input, with a tab between, writes the rows of the table's current snapshot to the file, as JSON
 * lines, and answers with `SNAPSHOT ROWS`; with `none 0` if there is no table, or nothing in it.
 */
public class WatchTables {
  public static void main(String[] args) throws Exception {
    RESTCatalog catalog = new RESTCatalog();
    catalog.initialize("rest", Map.of("uri", args[0]));
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split("\t");
      System.out.println(look(catalog, words[0], Path.of(words[1])));
    }
  }

  private static String look(RESTCatalog catalog, String name, Path file) throws Exception {
    long rows = 0;
    Snapshot snapshot = null;
    try (OutputStream bytes = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20);
        JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
      json.setRootValueSeparator(new com.fasterxml.jackson.core.io.SerializedString("\n"));
      Table table = catalog.loadTable(TableIdentifier.parse(name));
      snapshot = table.currentSnapshot();
      if (snapshot == null) return "none\t0";
      try (CloseableIterable<Record> records =
          IcebergGenerics.read(table).useSnapshot(snapshot.snapshotId()).build()) {
        for (Record record : records) {
          write(json, record);
          rows += 1;
        }
      }
    } catch (NoSuchTableException none) {
      return "none\t0";
    }
    return snapshot.snapshotId() + "\t" + rows;
  }

  private static void write(JsonGenerator json, Record record) throws Exception {
    json.writeStartObject();
    for (Types.NestedField field : record.struct().fields()) {
      json.writeFieldName(field.name());
      Object value = record.getField(field.name());
      if (value instanceof Record inner) write(json, inner);
      else if (value instanceof OffsetDateTime at) json.writeString(at.toInstant().toString());
      else json.writeObject(value);
    }
    json.writeEndObject();
  }
}

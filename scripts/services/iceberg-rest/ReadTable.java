package org.apache.iceberg.rest;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.FileScanTask;
import org.apache.iceberg.Snapshot;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableScan;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.GenericAppenderFactory;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.encryption.EncryptedOutputFile;
import org.apache.iceberg.expressions.Expression;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.hadoop.HadoopTables;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.DataWriter;
import org.apache.iceberg.io.OutputFileFactory;

/**
 * What Java's Iceberg sees in a table, one line each: `snapshot`, `rows`, `files` behind filters, `row`.
 * Arguments: `hadoop LOCATION` or `rest URI TABLE`, then any number of `COLUMN OP VALUE`,
 * after any of `rewrite` (manifests),
 * `compact` (data files, of a table without partitions) and `expire`.
 */
public class ReadTable {
  public static void main(String[] args) throws Exception {
    int next = 2;
    Table table;
    if (args[0].equals("hadoop")) {
      table = new HadoopTables(new Configuration()).load(args[1]);
    } else {
      RESTCatalog catalog = new RESTCatalog();
      Map<String, String> properties = new HashMap<>();
      properties.put("uri", args[1]);
      // For tables in buckets; how these are reached, the catalog says.
      properties.put("header.X-Iceberg-Access-Delegation", "vended-credentials");
      properties.put("http-client.type", "urlconnection");
      properties.put(
          "s3.client-factory-impl", "org.apache.iceberg.aws.s3.DefaultS3FileIOAwsClientFactory");
      catalog.initialize("rest", properties);
      table = catalog.loadTable(TableIdentifier.parse(args[2]));
      next = 3;
    }
    if (next < args.length && args[next].equals("rewrite")) {
      table.rewriteManifests().clusterBy(file -> "all").commit();
      next += 1;
    }
    if (next < args.length && args[next].equals("compact")) {
      compact(table);
      next += 1;
    }
    if (next < args.length && args[next].equals("expire")) {
      table.expireSnapshots().expireOlderThan(System.currentTimeMillis()).retainLast(1).commit();
      next += 1;
    }
    for (Snapshot snapshot : table.snapshots()) {
      System.out.println("snapshot\t" + snapshot.snapshotId() + "\t" + snapshot.parentId() + "\t"
          + snapshot.sequenceNumber() + "\t" + new TreeMap<>(snapshot.summary()));
    }
    for (; next + 2 < args.length; next += 3) {
      System.out.println("files\t" + args[next] + args[next + 1] + args[next + 2] + "\t"
          + count(table, filter(table, args[next], args[next + 1], args[next + 2])));
    }
    System.out.println("files\tall\t" + count(table, Expressions.alwaysTrue()));
    long rows = 0;
    try (CloseableIterable<Record> records = IcebergGenerics.read(table).build()) {
      for (Record record : records) {
        rows += 1;
        System.out.println("row\t" + record);
      }
    }
    System.out.println("rows\t" + rows);
  }

  /** One data file in the place of all. */
  private static void compact(Table table) throws Exception {
    Set<DataFile> old = new HashSet<>();
    try (CloseableIterable<FileScanTask> tasks = table.newScan().planFiles()) {
      for (FileScanTask task : tasks) old.add(task.file());
    }
    EncryptedOutputFile file =
        OutputFileFactory.builderFor(table, 1, 1).format(FileFormat.PARQUET).build().newOutputFile();
    DataWriter<Record> writer =
        new GenericAppenderFactory(table.schema()).newDataWriter(file, FileFormat.PARQUET, null);
    try (writer; CloseableIterable<Record> records = IcebergGenerics.read(table).build()) {
      for (Record record : records) writer.write(record);
    }
    table.newRewrite().rewriteFiles(old, Set.of(writer.toDataFile())).commit();
  }

  private static Expression filter(Table table, String column, String operation, String value) {
    Object literal = switch (table.schema().findField(column).type().typeId()) {
      case INTEGER -> Integer.valueOf(value);
      case LONG -> Long.valueOf(value);
      case FLOAT, DOUBLE -> Double.valueOf(value);
      default -> value;
    };
    return switch (operation) {
      case "<" -> Expressions.lessThan(column, literal);
      case ">" -> Expressions.greaterThan(column, literal);
      default -> Expressions.equal(column, literal);
    };
  }

  private static long count(Table table, Expression filter) throws Exception {
    TableScan scan = table.newScan().filter(filter);
    long files = 0;
    try (CloseableIterable<FileScanTask> tasks = scan.planFiles()) {
      for (FileScanTask ignored : tasks) files += 1;
    }
    return files;
  }
}

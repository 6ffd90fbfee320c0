import java.io.BufferedReader;
import java.io.BufferedOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Kafka's own consumer of committed records, which looks at topics again and again. Argument: brokers. A line
 * `TOPIC FILE` of standard input, with a tab between, writes the values that are there, from the earliest to
 * where a consumer with `isolation.level=read_committed` gets now, to the file, a line each, and answers
 * with their number.
 */
public class ReadCommitted {
  public static void main(String[] args) throws Exception {
    Map<String, Object> properties = Map.of(
        "bootstrap.servers", args[0],
        "isolation.level", "read_committed",
        "enable.auto.commit", "false",
        "auto.offset.reset", "none",
        "max.poll.records", "10000",
        "fetch.min.bytes", "1",
        "default.api.timeout.ms", "300000");
    var bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
      BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] words = line.split("\t");
        System.out.println(look(consumer, words[0], Path.of(words[1])));
      }
    }
  }

  private static long look(KafkaConsumer<byte[], byte[]> consumer, String topic, Path file)
      throws Exception {
    List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
        .map(info -> new TopicPartition(topic, info.partition()))
        .toList();
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
    long records = 0;
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
      while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          out.write(record.value());
          out.write('\n');
          records += 1;
        }
      }
    }
    return records;
  }
}

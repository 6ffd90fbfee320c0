package bench;

import java.time.Duration;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The job of kafka-count-job.ts as one writes it for Flink: text from a topic, keyBy, a count per key in
 * ValueState, text to a topic, exactly once, with the same batches.
 *
 * Usage: KafkaCount BROKERS INPUT OUTPUT
 */
public class KafkaCount {
  private static final int KEY_CHARS = 9;
  private static final int REST_FROM = 24;

  static class Count extends KeyedProcessFunction<String, String, String> {
    private transient ValueState<Long> seen;

    @Override
    public void open(OpenContext context) {
      seen = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
    }

    @Override
    public void processElement(String value, Context context, Collector<String> out)
        throws Exception {
      Long before = seen.value();
      long count = before == null ? 1 : before + 1;
      seen.update(count);
      out.collect(context.getCurrentKey() + "," + count + "," + value.substring(REST_FROM));
    }
  }

  static String keyOf(String value) {
    return value.substring(0, KEY_CHARS);
  }

  public static void main(String[] args) throws Exception {
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.enableCheckpointing(Duration.ofSeconds(1).toMillis());
    env.getConfig().enableObjectReuse();
    Properties producer = new Properties();
    producer.setProperty("transaction.timeout.ms", "600000");
    producer.setProperty("batch.size", "262144");
    producer.setProperty("linger.ms", "10");
    KafkaSource<String> source =
        KafkaSource.<String>builder()
            .setBootstrapServers(args[0])
            .setTopics(args[1])
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .setProperty("isolation.level", "read_committed")
            .build();
    KafkaSink<String> sink =
        KafkaSink.<String>builder()
            .setBootstrapServers(args[0])
            .setKafkaProducerConfig(producer)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(args[2])
            .setRecordSerializer(
                KafkaRecordSerializationSchema.<String>builder()
                    .setTopic(args[2])
                    .setKeySerializationSchema(
                        (String value) -> keyOf(value).getBytes(java.nio.charset.StandardCharsets.UTF_8))
                    .setValueSerializationSchema(new SimpleStringSchema())
                    .build())
            .build();
    env.fromSource(source, WatermarkStrategy.noWatermarks(), "input")
        .uid("input")
        .keyBy(KafkaCount::keyOf, Types.STRING)
        .process(new Count())
        .returns(Types.STRING)
        .uid("count")
        .sinkTo(sink)
        .uid("output");
    env.execute("kafka-count");
  }
}

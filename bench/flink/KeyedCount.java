package bench;

import java.io.FileWriter;
import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/**
 * The job of keyed-count-job.ts as one writes it for Flink: the same keys in the same order, records
 * of a key, a value and a time, timestamps, keyBy, a count per key in ValueState, a sink.
 *
 * Usage: KeyedCount KEYS FOLDER. Each subtask appends lines "epochMs records" to a file in FOLDER.
 */
public class KeyedCount {
  /** As mix() in keyed-count-job.ts. */
  static int mix(long i) {
    int z = (int) (i + 0x9e3779b9L);
    z = (z ^ (z >>> 16)) * 0x85ebca6b;
    z = (z ^ (z >>> 13)) * 0xc2b2ae35;
    return z ^ (z >>> 16);
  }

  static class Count
      extends KeyedProcessFunction<Integer, Tuple3<Integer, Long, Long>, Tuple2<Integer, Long>> {
    private static final int RECORDS_PER_LOOK = 4096;
    private static final long MS_PER_LINE = 100;

    private final String folder;
    private transient ValueState<Long> seen;
    private transient FileWriter progress;
    private transient long records;
    private transient long nextLineMs;

    Count(String folder) {
      this.folder = folder;
    }

    @Override
    public void open(OpenContext context) throws IOException {
      seen = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
      int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
      progress = new FileWriter(folder + "/" + subtask + ".txt", true);
    }

    @Override
    public void processElement(
        Tuple3<Integer, Long, Long> reading, Context context, Collector<Tuple2<Integer, Long>> out)
        throws Exception {
      Long before = seen.value();
      long count = before == null ? 1 : before + 1;
      seen.update(count);
      if (++records % RECORDS_PER_LOOK == 0) report();
      out.collect(Tuple2.of(reading.f0, count));
    }

    private void report() throws IOException {
      long nowMs = System.currentTimeMillis();
      if (nowMs < nextLineMs) return;
      nextLineMs = nowMs + MS_PER_LINE;
      progress.write(nowMs + " " + records + "\n");
      progress.flush();
    }

    @Override
    public void close() throws IOException {
      if (progress != null) progress.close();
    }
  }

  public static void main(String[] args) throws Exception {
    int keys = Integer.parseInt(args[0]);
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
    env.enableCheckpointing(Duration.ofSeconds(1).toMillis());
    env.fromSource(
            new NumberSequenceSource(0, Long.MAX_VALUE - 1),
            WatermarkStrategy.noWatermarks(),
            "numbers")
        .uid("numbers")
        .map(
            i ->
                Tuple3.of(Integer.remainderUnsigned(mix(i), keys), i, System.currentTimeMillis()))
        .returns(Types.TUPLE(Types.INT, Types.LONG, Types.LONG))
        .uid("reading")
        .assignTimestampsAndWatermarks(
            WatermarkStrategy.<Tuple3<Integer, Long, Long>>forMonotonousTimestamps()
                .withTimestampAssigner((reading, before) -> reading.f2))
        .uid("time")
        .keyBy(reading -> reading.f0, Types.INT)
        .process(new Count(args[1]))
        .returns(Types.TUPLE(Types.INT, Types.LONG))
        .uid("count")
        .sinkTo(new DiscardingSink<>())
        .uid("counted");
    env.execute("keyed-count");
  }
}

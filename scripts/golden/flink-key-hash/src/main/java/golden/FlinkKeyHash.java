package golden;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.flink.api.java.tuple.Tuple;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.util.MathUtils;

/** Writes, as JSON, what Flink makes of keys: hashCode, murmur hash, key group, and of key groups: the subtask. */
public final class FlinkKeyHash {
  private static final int[] MAX_PARALLELISMS = {128, 1024, 32768};

  public static void main(String[] args) throws IOException {
    String keys = list(keys().stream().map(FlinkKeyHash::describeKey).toList());
    String json = "{ \"flink\": " + quote(args[0]) + ", \"keys\": " + keys + ", \"operators\": " + list(operators())
        + ", \"ranges\": " + list(ranges()) + " }\n";
    Files.writeString(Path.of(args[1]), json);
  }

  private static String list(List<String> items) {
    return "[\n" + String.join(",\n", items) + "\n]";
  }

  private static List<Object> keys() {
    List<Object> keys = new ArrayList<>();
    for (int i : new int[] {0, 1, -1, 2, 7, 42, -42, 127, 128, 255, 256, 65535, 65536, 1000000, -1000000,
        Integer.MAX_VALUE, Integer.MIN_VALUE, Integer.MAX_VALUE - 1, Integer.MIN_VALUE + 1}) {
      keys.add(i);
    }
    for (long l : new long[] {0, 1, -1, 2147483648L, -2147483649L, 4294967295L, 4294967296L, -4294967296L, 1700000000000L,
        -1700000000000L, 9007199254740991L, -9007199254740991L, 9007199254740993L, Long.MAX_VALUE, Long.MIN_VALUE}) {
      keys.add(l);
    }
    for (double d : new double[] {0.5, -0.5, 0.1, -0.1, 1.5, 3.141592653589793, 1e-300, 1e300, -1e300, 9007199254740992.0,
        -9007199254740994.0, 1e21, Double.MIN_VALUE, Double.MAX_VALUE, Double.NaN, Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY, 1700000000000.25}) {
      keys.add(d);
    }
    for (String s : new String[] {"", "a", "b", "ab", "word", "Tidemark", "k60777", "user-1234567890", "naïve", "ÿ", "Łódź", "日本語",
        "ключ", "😀", "👨‍👩‍👧 family", "\ud800 alone", "\u0000", "quote\"back\\slash", "The quick brown fox jumps over the lazy dog"}) {
      keys.add(s);
    }
    keys.add(true);
    keys.add(false);
    for (String b : new String[] {"9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "123456789012345678901234567890", "-123456789012345678901234567890"}) {
      keys.add(new BigInteger(b));
    }
    keys.add(tuple(5));
    keys.add(tuple("a", 1));
    keys.add(tuple(1, "a"));
    keys.add(tuple("device-7", "heart_rate", 1700000000000L));
    keys.add(tuple("a", null));
    keys.add(tuple(null, null, null));
    keys.add(tuple(true, 0.5, -3L, "x", 12));
    keys.add(tuple(tuple(1, 2), "nested", tuple("deep", tuple(3L, tuple(false)))));
    keys.add(tuple(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25));
    Random random = new Random(42);
    for (int i = 0; i < 40; i++) {
      keys.add(random.nextInt());
      keys.add(random.nextLong() >> random.nextInt(32));
      keys.add(random.nextGaussian() * Math.pow(10, random.nextInt(20) - 5));
      keys.add("key-" + random.nextInt(100000));
      keys.add(tuple("d" + random.nextInt(1000), random.nextInt(), random.nextDouble()));
    }
    return keys;
  }

  private static Tuple tuple(Object... fields) {
    Tuple tuple = Tuple.newInstance(fields.length);
    for (int i = 0; i < fields.length; i++) {
      tuple.setField(fields[i], i);
    }
    return tuple;
  }

  private static String describeKey(Object key) {
    StringBuilder groups = new StringBuilder();
    for (int max : MAX_PARALLELISMS) {
      groups.append(groups.isEmpty() ? "" : ", ").append('"').append(max).append("\": ")
          .append(KeyGroupRangeAssignment.assignToKeyGroup(key, max));
    }
    return "{ \"key\": " + json(key) + ", \"hashCode\": " + key.hashCode() + ", \"murmurHash\": "
        + MathUtils.murmurHash(key.hashCode()) + ", \"keyGroups\": { " + groups + " } }";
  }

  private static List<String> operators() {
    List<String> lines = new ArrayList<>();
    for (int max : MAX_PARALLELISMS) {
      for (int parallelism : new int[] {1, 2, 3, 5, 7, 16, 100, 128}) {
        for (int group : new int[] {0, 1, 17, 42, 63, 64, 100, 126, 127, max / 2, max - 1}) {
          lines.add("{ \"maxParallelism\": " + max + ", \"parallelism\": " + parallelism + ", \"keyGroup\": " + group
              + ", \"subtask\": " + KeyGroupRangeAssignment.computeOperatorIndexForKeyGroup(max, parallelism, group) + " }");
        }
      }
    }
    return lines;
  }

  private static List<String> ranges() {
    List<String> lines = new ArrayList<>();
    for (int max : MAX_PARALLELISMS) {
      for (int parallelism : new int[] {1, 2, 3, 5, 7, 128}) {
        for (int subtask : new int[] {0, parallelism / 2, parallelism - 1}) {
          KeyGroupRange range = KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex(max, parallelism, subtask);
          lines.add("{ \"maxParallelism\": " + max + ", \"parallelism\": " + parallelism + ", \"subtask\": " + subtask
              + ", \"start\": " + range.getStartKeyGroup() + ", \"end\": " + range.getEndKeyGroup() + " }");
        }
      }
    }
    return lines;
  }

  private static String json(Object key) {
    if (key == null) {
      return "{ \"null\": true }";
    }
    if (key instanceof Tuple tuple) {
      StringBuilder fields = new StringBuilder();
      for (int i = 0; i < tuple.getArity(); i++) {
        fields.append(i == 0 ? "" : ", ").append(json((Object) tuple.getField(i)));
      }
      return "{ \"tuple\": [" + fields + "] }";
    }
    String kind = key.getClass().getSimpleName().toLowerCase();
    return "{ \"" + kind + "\": " + (key instanceof Boolean ? key.toString() : quote(key.toString())) + " }";
  }

  private static String quote(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.append('"').toString();
  }
}

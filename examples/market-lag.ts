/**
 * MarketLag: how far the daily return of a share has ever been from the one some trading days before.
 * Each share has a MapState `max_signal_delta`, from a lag of 1 to 30 trading days to the largest
 * difference seen. Each improvement is written, and the whole table at the end of the input.
 *
 *   npx tidemark run examples/market-lag.ts -- --out out/market-lag
 */
import {
  boundedOutOfOrderness,
  CheckpointingMode,
  days,
  defineJob,
  ExternalizedCheckpointRetention,
  files,
  fileSink,
  mapState,
  minutes,
  outputTag,
  rateLimited,
  type StreamExecutionEnvironment,
  valueState,
} from 'tidemark';
import { z } from 'zod';

const MarketLagSettings = z.object({
  stocks: z.string().default('examples/data/stocks.csv.gz').describe('daily prices of shares'),
  out: z.string().default('out/market-lag').describe('folder for improvements and table'),
  rate: z.number().min(0).default(0).describe('rows per second, 0 for no limit'),
});

const StockRow = z
  .object({ Ticker: z.string(), Date: z.iso.date(), 'Adj Close': z.coerce.number().positive() })
  .transform((row) => ({
    symbol: row.Ticker,
    at: Date.parse(row.Date),
    close: row['Adj Close'],
  }));

const LAG_MAX = 30;
/** The watermark passes it at the end of the input only. */
const END_OF_INPUT_MS = Number.MAX_SAFE_INTEGER;

const maxSignalDelta = mapState('max_signal_delta', z.int32(), z.number());
/** The last close, and the returns of the trading days before it, the newest first. */
const recent = valueState('recent', z.object({ close: z.number(), returns: z.array(z.number()) }));

const Improvement = z.object({
  symbol: z.string(),
  date: z.string(),
  lag: z.int32(),
  delta: z.number(),
});
const table = outputTag('table', Improvement.omit({ date: true }));

export default defineJob('market-lag', { settings: MarketLagSettings }, (env, { settings }) => {
  checkpointEachFiveMinutes(env);

  const stocks = files(settings.stocks, StockRow);
  const improvements = env
    .fromSource(
      'stocks',
      settings.rate === 0 ? stocks : rateLimited(stocks, settings.rate),
      // The file has one share after the other: years go by, and begin anew with the next share.
      boundedOutOfOrderness((row) => row.at, days(20 * 366)),
    )
    .keyBy((row) => row.symbol)
    .process('max-lag', { maxSignalDelta, recent }, Improvement, {
      processElement({ symbol, at, close }, { state, out, timers }) {
        const before = state.recent.value();
        timers.eventTime(END_OF_INPUT_MS);
        if (before === undefined) {
          state.recent.update({ close, returns: [] });
          return;
        }
        const now = close / before.close - 1;
        for (const [index, earlier] of before.returns.entries()) {
          const lag = index + 1;
          const delta = Math.abs(now - earlier);
          if (delta <= (state.maxSignalDelta.get(lag) ?? -1)) continue;
          state.maxSignalDelta.put(lag, delta);
          out.emit({ symbol, date: new Date(at).toISOString().slice(0, 10), lag, delta });
        }
        state.recent.update({ close, returns: [now, ...before.returns].slice(0, LAG_MAX) });
      },
      onTimer(_timestampMs, { key: symbol, state, side }) {
        for (const [lag, delta] of state.maxSignalDelta.entries()) {
          side(table, { symbol, lag, delta });
        }
      },
    });

  const output = <T>(name: string) =>
    fileSink<T>({ path: `${settings.out}/${name}`, format: 'json-lines' });
  improvements.sinkTo('improvements', output('improvements'));
  improvements.sideOutput(table).sinkTo('table', output('table'));
});

/** In Flink's own calls. What `-D` says wins over them. */
function checkpointEachFiveMinutes(env: StreamExecutionEnvironment): void {
  env.enableCheckpointing(minutes(5));
  env
    .getCheckpointConfig()
    .setCheckpointingMode(CheckpointingMode.EXACTLY_ONCE)
    .setCheckpointTimeout(minutes(10))
    .setMinPauseBetweenCheckpoints(500)
    .setMaxConcurrentCheckpoints(1)
    .setExternalizedCheckpointRetention(ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
}

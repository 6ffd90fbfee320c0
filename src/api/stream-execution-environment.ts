import { EngineError } from '../common/errors.ts';
import { DEAD_LETTERS_TAG, type DeadLetter } from '../contracts/dead-letter.ts';
import type { Source } from '../contracts/source.ts';
import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import type { StreamGraph } from '../graph/operator-spec.ts';
import type { Serializer } from '../serde/serializer.ts';
import type { FlinkSettings, SettingName, SettingValues } from '../settings/flink-settings.ts';
import { requireSetting, withOverrides, type JobOverrides } from '../settings/job-overrides.ts';
import { requireConsistent, startWarnings } from '../settings/judge-settings.ts';
import { settings } from '../settings/process-settings.ts';
import { CheckpointConfig, type CheckpointingMode } from './checkpoint-config.ts';
import { requireFunction, requireJobName, requireUid } from './checks.ts';
import { addOperator, DataStream } from './data-stream.ts';
import { noDeadLetters } from './dead-letter-errors.ts';
import { elementsSource } from './elements-source.ts';
import { GraphBuilder } from './graph-builder.ts';
import { executeProgram, type JobExecutionResult } from './program.ts';
import { noWatermarks } from './watermarks.ts';

/** A source that knows how its elements are stored. */
export type SourceOf<T, Split, Enum> = Source<T, Split, Enum> & {
  readonly element?: Serializer<T> | undefined;
};

/** Of a program, until `execute` names it. */
const UNNAMED = 'unnamed';

/**
 * Where a job is described; Flink's `StreamExecutionEnvironment`. The function of `defineJob` gets
 * one; a program gets one from `getExecutionEnvironment()`. It collects the operators and the settings
 * that the job's code asks for; nothing runs yet.
 */
export class StreamExecutionEnvironment {
  readonly jobName: string;
  readonly #base: FlinkSettings;
  readonly #builder: GraphBuilder;
  readonly #checkpointConfig: CheckpointConfig;
  #overrides: JobOverrides = {};
  #isProgram = false;

  /**
   * For a job that is a program instead of a `defineJob`: the environment that its `execute` runs.
   *
   * @throws {EngineError} `SET-001`, `SET-006`, `SET-007` (`invalid`) if the settings cannot be read.
   * @example
   * ```ts
   * const env = StreamExecutionEnvironment.getExecutionEnvironment();
   * setupCheckpointAndRecovery(env, settings.flink);
   * env.fromElements('words', ['to', 'be', 'or', 'not']).sinkTo('out', print());
   * await env.execute('words');
   * ```
   */
  static getExecutionEnvironment(): StreamExecutionEnvironment {
    const env = new StreamExecutionEnvironment(UNNAMED, settings.flink);
    env.#isProgram = true;
    return env;
  }

  /** @internal Comes from `defineJob`. */
  constructor(jobName: string, base: FlinkSettings) {
    this.jobName = jobName;
    this.#base = base;
    this.#builder = new GraphBuilder(jobName, () => this.setting('maxParallelism'));
    this.#checkpointConfig = new CheckpointConfig({
      get: (name) => this.setting(name),
      set: (name, value) => this.set(name, value),
    });
  }

  /**
   * Reads a source.
   *
   * @param watermarks How its elements get event time. Default: none.
   * @throws {EngineError} `API-001`, `API-002`, `API-005`, `API-015` (`invalid`)
   * @example `env.fromSource('rows', files('data/rows.csv', Row), monotonous((row) => row.at))`
   */
  fromSource<T, Split, Enum>(
    uid: string,
    source: SourceOf<T, Split, Enum>,
    watermarks: WatermarkStrategy<NoInfer<T>> = noWatermarks(),
  ): DataStream<T> {
    requireUid(uid);
    const reader: unknown = (source as Partial<Source<T>> | undefined)?.reader;
    requireFunction(reader, { uid, what: 'source.reader' });
    return addOperator(this.#builder, {
      uid,
      spec: { kind: 'source', source, watermarks },
      edges: [],
      element: source.element,
    });
  }

  /**
   * A few elements that stand in the job, in their order. Read by one subtask; no event time unless
   * `watermarks` says so.
   *
   * @throws {EngineError} `API-001`, `API-002`, `API-015` (`invalid`)
   * @example `env.fromElements('words', ['to', 'be', 'or', 'not'])`
   */
  fromElements<T>(
    uid: string,
    values: readonly T[],
    watermarks: WatermarkStrategy<NoInfer<T>> = noWatermarks(),
  ): DataStream<T> {
    const kept = [...values];
    return addOperator(this.#builder, {
      uid,
      spec: {
        kind: 'source',
        source: elementsSource(kept.length, (index) => kept[index] as T),
        watermarks,
      },
      edges: [],
      element: undefined,
      parallelism: 1,
    });
  }

  /**
   * The whole numbers from `from` to `to`, both included, by one subtask.
   *
   * @throws {EngineError} `API-001`, `API-002`, `API-015` (`invalid`)
   */
  fromSequence(uid: string, from: number, to: number): DataStream<number> {
    return addOperator<number>(this.#builder, {
      uid,
      spec: {
        kind: 'source',
        source: elementsSource(Math.max(0, to - from + 1), (index) => from + index),
        watermarks: noWatermarks(),
      },
      edges: [],
      parallelism: 1,
    });
  }

  /**
   * The records on which operators with `onError('dead-letter')` failed, with the reason and the place:
   * of all that were described before this call.
   *
   * They are records like any other: in the same checkpoints, and exactly once in a sink that is.
   *
   * @throws {EngineError} `DLQ-003` (`invalid`) if there is no such operator.
   * @example `env.deadLetters().sinkTo('dlq', fileSink({ path: 'out/dlq', format: 'json-lines' }))`
   */
  deadLetters(): DataStream<DeadLetter> {
    const uids = this.#builder.withDeadLetters();
    if (uids.length === 0) throw noDeadLetters();
    return new DataStream<DeadLetter>({
      builder: this.#builder,
      upstreams: uids.map((from) => {
        return { from, output: DEAD_LETTERS_TAG, partitioner: { kind: 'forward' } };
      }),
      element: undefined,
      operator: undefined,
    });
  }

  /** Of each operator that has none of its own. @throws {EngineError} `SET-001`, `API-015` */
  setParallelism(parallelism: number): this {
    return this.set('parallelism', parallelism);
  }

  getParallelism(): number {
    return this.setting('parallelism');
  }

  /**
   * The number of key groups: the most subtasks the job can ever have. Cannot change once there is
   * state. Default 1024.
   *
   * @throws {EngineError} `SET-001`, `API-015` (`invalid`)
   */
  setMaxParallelism(maxParallelism: number): this {
    return this.set('maxParallelism', maxParallelism);
  }

  getMaxParallelism(): number {
    return this.setting('maxParallelism');
  }

  /**
   * Takes a checkpoint every `intervalMs`; 0 switches them off.
   *
   * @throws {EngineError} `SET-001`, `API-015` (`invalid`)
   */
  enableCheckpointing(intervalMs: number, mode?: CheckpointingMode): this {
    if (mode !== undefined) this.set('checkpointMode', mode);
    return this.set('checkpointIntervalMs', intervalMs);
  }

  getCheckpointConfig(): CheckpointConfig {
    return this.#checkpointConfig;
  }

  /**
   * Sets any setting by its name in code. Wins over the environment's variables; `-D` wins over it.
   *
   * @throws {EngineError} `SET-001`, `API-015` (`invalid`)
   */
  set<N extends SettingName>(name: N, value: SettingValues[N]): this {
    this.#builder.requireOpen(name);
    requireSetting(name, value);
    this.#overrides = { ...this.#overrides, [name]: value };
    return this;
  }

  /** A setting as it will be in force. */
  setting<N extends SettingName>(name: N): FlinkSettings[N] {
    return this.getConfiguration()[name];
  }

  /** All settings as they will be in force, with their origins: for `settingsTable`. */
  getConfiguration(): FlinkSettings {
    return withOverrides(this.#base, this.#overrides);
  }

  /**
   * Runs a program's job until it is over. A job of `defineJob` is run by `tidemark run` and does not
   * call it.
   *
   * Resolves when the job has finished or was cancelled; rejects with why it failed.
   *
   * @throws {EngineError} `API-014`, `API-015`, `API-022`, `API-024`, `API-025`, `SET-008` (`invalid`)
   * @example `await env.execute('health pipeline');`
   */
  async execute(jobName: string): Promise<JobExecutionResult> {
    if (!this.#isProgram) {
      throw new EngineError('API-025', 'invalid', 'execute is called in defineJob', {
        details: { job: this.jobName },
        hint: 'Leave the call out: tidemark run runs what defineJob describes.',
      });
    }
    requireJobName(jobName);
    return executeProgram({ name: jobName, ...this.seal(jobName) });
  }

  /** @internal Ends the description. */
  seal(jobName = this.jobName): { readonly graph: StreamGraph; readonly config: FlinkSettings } {
    const graph = this.#builder.seal(jobName);
    const settled = this.getConfiguration();
    requireConsistent(settled);
    const warnings = Object.freeze([...settled.warnings, ...startWarnings(settled)]);
    return { graph, config: Object.freeze({ ...settled, warnings }) };
  }
}

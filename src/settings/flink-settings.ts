/**
 * The settings of the engine, as one table: each has a variable of the environment, Flink's option
 * key, the keys that Flink 1.x had for it, a type, a default and a sentence. Everything else (the
 * parser, the job's calls, reference pages, `.env.example`) is made of the table.
 *
 * Layers, later ones win: default, preset, Flink's configuration file, `.env`, `.env.local`, process
 * environment, the job's own code, `-D key=value`.
 */
import { RETENTION_TABLE } from './retention-table.ts';
import { SERVICE_TABLE } from './service-table.ts';
import { setting, type Setting, type SettingOrigin } from './setting.ts';
import { decimal, durationMs, location, oneOf, wholeNumber, yesOrNo } from './setting-types.ts';
import { REST_TABLE } from './rest-table.ts';
import { STORAGE_TABLE } from './storage-table.ts';

/** Sets of values for a kind of use; `TIDEMARK_PRESET` chooses one. */
export type PresetName = 'development' | 'production' | 'cdc-production' | 'operator';

export const PRESET_NAMES: readonly PresetName[] = [
  'development',
  'production',
  'cdc-production',
  'operator',
];

const RETENTION = [
  'NO_EXTERNALIZED_CHECKPOINTS',
  'DELETE_ON_CANCELLATION',
  'RETAIN_ON_CANCELLATION',
] as const;

/** What `state.backend` could say in Flink 1.x; the classes are those of its manuals. */
const BACKENDS_OF_FLINK_1 = {
  filesystem: 'hashmap',
  jobmanager: 'hashmap',
  'org.apache.flink.runtime.state.hashmap.hashmapstatebackendfactory': 'hashmap',
  'org.apache.flink.contrib.streaming.state.embeddedrocksdbstatebackendfactory': 'rocksdb',
} as const;

const CHECKPOINTING = 'execution.checkpointing';

const CHECKPOINT_TABLE = {
  checkpointIntervalMs: setting({
    env: 'FLINK_CHECKPOINT_INTERVAL_MS',
    key: `${CHECKPOINTING}.interval`,
    type: durationMs({ least: 0 }),
    default: 60_000,
    whenEmpty: 0,
    flinkDefault: 'off',
    doc: 'Period of checkpoints; 0 is off, as is its key without a value in a file. Short: less to do again after a failure. Long: less work for snapshots.',
  }),
  checkpointTimeoutMs: setting({
    env: 'FLINK_CHECKPOINT_TIMEOUT_MS',
    key: `${CHECKPOINTING}.timeout`,
    type: durationMs({ least: 1 }),
    default: 600_000,
    doc: 'A checkpoint that takes longer is aborted.',
  }),
  minPauseBetweenCheckpointsMs: setting({
    env: 'FLINK_MIN_PAUSE_BETWEEN_CHECKPOINTS_MS',
    key: `${CHECKPOINTING}.min-pause`,
    type: durationMs({ least: 0 }),
    default: 30_000,
    flinkDefault: '0',
    doc: 'Least time from the end of one checkpoint to the start of the next.',
  }),
  maxConcurrentCheckpoints: setting({
    env: 'FLINK_MAX_CONCURRENT_CHECKPOINTS',
    key: `${CHECKPOINTING}.max-concurrent-checkpoints`,
    type: wholeNumber({ least: 1, most: 100 }),
    default: 1,
    doc: 'Checkpoints under way at a time.',
  }),
  checkpointMode: setting({
    env: 'FLINK_CHECKPOINT_MODE',
    key: `${CHECKPOINTING}.mode`,
    type: oneOf(['EXACTLY_ONCE', 'AT_LEAST_ONCE']),
    default: 'EXACTLY_ONCE',
    doc: 'AT_LEAST_ONCE does not align barriers: records may count twice after a failure.',
  }),
  unalignedCheckpoints: setting({
    env: 'FLINK_UNALIGNED_CHECKPOINTS',
    key: `${CHECKPOINTING}.unaligned.enabled`,
    oldKeys: [`${CHECKPOINTING}.unaligned`],
    type: yesOrNo(),
    default: false,
    doc: 'Barriers overtake records, which become part of the checkpoint.',
  }),
  alignedCheckpointTimeoutMs: setting({
    env: 'FLINK_ALIGNED_CHECKPOINT_TIMEOUT_MS',
    key: `${CHECKPOINTING}.aligned-checkpoint-timeout`,
    oldKeys: [`${CHECKPOINTING}.alignment-timeout`],
    type: durationMs({ least: 0 }),
    default: 0,
    doc: 'With unaligned checkpoints: a checkpoint starts aligned and turns unaligned after this time.',
  }),
  tolerableFailedCheckpoints: setting({
    env: 'FLINK_TOLERABLE_FAILED_CHECKPOINTS',
    key: `${CHECKPOINTING}.tolerable-failed-checkpoints`,
    type: wholeNumber({ least: 0 }),
    default: 3,
    flinkDefault: '0',
    doc: 'Consecutive failed checkpoints that the job bears; one more fails it.',
  }),
  checkpointStorage: setting<string | undefined>({
    env: 'FLINK_CHECKPOINT_STORAGE',
    key: `${CHECKPOINTING}.dir`,
    oldKeys: ['state.checkpoints.dir', 'state.backend.fs.checkpointdir'],
    type: location(),
    default: undefined,
    doc: "Where checkpoints are. Default: a folder in the project's data folder.",
  }),
  savepointDirectory: setting<string | undefined>({
    env: 'FLINK_SAVEPOINT_DIRECTORY',
    key: `${CHECKPOINTING}.savepoint-dir`,
    oldKeys: ['state.savepoints.dir', 'savepoints.state.backend.fs.dir'],
    type: location(),
    default: undefined,
    doc: 'Where savepoints go that name no folder.',
  }),
  externalizedCheckpointRetention: setting({
    env: 'FLINK_EXTERNALIZED_CHECKPOINT_RETENTION',
    key: `${CHECKPOINTING}.externalized-checkpoint-retention`,
    type: oneOf(RETENTION),
    default: 'NO_EXTERNALIZED_CHECKPOINTS',
    doc: 'What becomes of checkpoints when the job is cancelled.',
  }),
  retainedCheckpoints: setting({
    env: 'FLINK_RETAINED_CHECKPOINTS',
    key: `${CHECKPOINTING}.num-retained`,
    oldKeys: ['state.checkpoints.num-retained'],
    type: wholeNumber({ least: 1 }),
    default: 1,
    doc: 'Completed checkpoints that are kept.',
  }),
  stateBackend: setting({
    env: 'FLINK_STATE_BACKEND',
    key: 'state.backend.type',
    oldKeys: ['state.backend'],
    type: oneOf(['hashmap', 'rocksdb'], BACKENDS_OF_FLINK_1),
    default: 'hashmap',
    doc: 'hashmap keeps state in memory; rocksdb on disk, for state that does not fit.',
  }),
  incrementalCheckpoints: setting<boolean | undefined>({
    env: 'FLINK_INCREMENTAL_CHECKPOINTS',
    key: `${CHECKPOINTING}.incremental`,
    oldKeys: ['state.backend.incremental'],
    type: yesOrNo(),
    default: undefined,
    flinkDefault: 'false',
    doc: 'Checkpoints write what changed. Default: what the backend does best.',
  }),
} as const;

const RESTART_TABLE = {
  restartStrategy: setting({
    env: 'FLINK_RESTART_STRATEGY',
    key: 'restart-strategy.type',
    oldKeys: ['restart-strategy'],
    type: oneOf(['fixed-delay', 'failure-rate', 'exponential-delay', 'none'], {
      fixeddelay: 'fixed-delay',
      failurerate: 'failure-rate',
      exponentialdelay: 'exponential-delay',
      off: 'none',
      disable: 'none',
    }),
    default: 'fixed-delay',
    flinkDefault: 'exponential-delay with checkpoints, else none',
    doc: 'Whether and when a failed job runs again.',
  }),
  restartAttempts: setting({
    env: 'FLINK_RESTART_ATTEMPTS',
    key: 'restart-strategy.fixed-delay.attempts',
    type: wholeNumber({ least: 0 }),
    default: 3,
    flinkDefault: '1',
    doc: 'fixed-delay: restarts before the job is FAILED.',
  }),
  restartDelayMs: setting({
    env: 'FLINK_RESTART_DELAY_MS',
    key: 'restart-strategy.fixed-delay.delay',
    type: durationMs({ least: 0 }),
    default: 10_000,
    flinkDefault: '1 s',
    doc: 'fixed-delay: time between a failure and the restart.',
  }),
  restartFirstAttemptImmediate: setting({
    env: 'FLINK_RESTART_FIRST_ATTEMPT_IMMEDIATE',
    key: 'restart-strategy.fixed-delay.first-attempt-immediate',
    type: yesOrNo(),
    default: true,
    doc: 'fixed-delay: the first restart waits for nothing. Flink itself waits.',
  }),
  failureRateMaxFailures: setting({
    env: 'FLINK_FAILURE_RATE_MAX_FAILURES',
    key: 'restart-strategy.failure-rate.max-failures-per-interval',
    type: wholeNumber({ least: 1 }),
    default: 3,
    flinkDefault: '1',
    doc: 'failure-rate: failures in the interval that the job bears; one more fails it.',
  }),
  failureRateIntervalMs: setting({
    env: 'FLINK_FAILURE_RATE_INTERVAL_MS',
    key: 'restart-strategy.failure-rate.failure-rate-interval',
    type: durationMs({ least: 1 }),
    default: 300_000,
    flinkDefault: '1 min',
    doc: 'failure-rate: the interval.',
  }),
  failureRateDelayMs: setting({
    env: 'FLINK_FAILURE_RATE_DELAY_MS',
    key: 'restart-strategy.failure-rate.delay',
    type: durationMs({ least: 0 }),
    default: 10_000,
    flinkDefault: '1 s',
    doc: 'failure-rate: time between a failure and the restart.',
  }),
  exponentialDelayInitialBackoffMs: setting({
    env: 'FLINK_EXPONENTIAL_DELAY_INITIAL_BACKOFF_MS',
    key: 'restart-strategy.exponential-delay.initial-backoff',
    type: durationMs({ least: 1 }),
    default: 1000,
    doc: 'exponential-delay: the first delay.',
  }),
  exponentialDelayMaxBackoffMs: setting({
    env: 'FLINK_EXPONENTIAL_DELAY_MAX_BACKOFF_MS',
    key: 'restart-strategy.exponential-delay.max-backoff',
    type: durationMs({ least: 1 }),
    default: 60_000,
    doc: 'exponential-delay: the longest delay.',
  }),
  exponentialDelayMultiplier: setting({
    env: 'FLINK_EXPONENTIAL_DELAY_MULTIPLIER',
    key: 'restart-strategy.exponential-delay.backoff-multiplier',
    type: decimal({ least: 1 }),
    default: 1.5,
    doc: 'exponential-delay: each delay is the one before times this.',
  }),
  exponentialDelayResetThresholdMs: setting({
    env: 'FLINK_EXPONENTIAL_DELAY_RESET_THRESHOLD_MS',
    key: 'restart-strategy.exponential-delay.reset-backoff-threshold',
    type: durationMs({ least: 1 }),
    default: 3_600_000,
    doc: 'exponential-delay: running this long without a failure starts again with the first delay.',
  }),
  exponentialDelayJitter: setting({
    env: 'FLINK_EXPONENTIAL_DELAY_JITTER',
    key: 'restart-strategy.exponential-delay.jitter-factor',
    type: decimal({ least: 0, most: 1 }),
    default: 0.1,
    doc: 'exponential-delay: the part of the delay that is added or taken off at random.',
  }),
  exponentialDelayAttempts: setting({
    env: 'FLINK_EXPONENTIAL_DELAY_ATTEMPTS',
    key: 'restart-strategy.exponential-delay.attempts-before-reset-backoff',
    type: wholeNumber({ least: 1 }),
    default: 2 ** 31 - 1,
    doc: 'exponential-delay: restarts before the job is FAILED. Default: without end.',
  }),
  failoverStrategy: setting({
    env: 'FLINK_FAILOVER_STRATEGY',
    key: 'jobmanager.execution.failover-strategy',
    type: oneOf(['region', 'full']),
    default: 'region',
    doc: 'What a failed task takes down with it: its region, or the whole job.',
  }),
} as const;

const TASK_MANAGER_TABLE = {
  taskSlots: setting<number | undefined>({
    env: 'FLINK_TASKMANAGER_NUMBER_OF_TASK_SLOTS',
    key: 'taskmanager.numberOfTaskSlots',
    type: wholeNumber({ least: 1, most: 32_768 }),
    default: undefined,
    flinkDefault: '1',
    doc: "Slots of each TaskManager, of which a job needs as many as its parallelism. Few: a process that dies takes little with it. Many: fewer processes. Default: the job's parallelism, so that there is one TaskManager.",
  }),
  redundantTaskManagers: setting({
    env: 'FLINK_REDUNDANT_TASKMANAGERS',
    key: 'slotmanager.redundant-taskmanager-num',
    type: wholeNumber({ least: 0, most: 1000 }),
    default: 1,
    flinkDefault: '0',
    doc: 'TaskManagers that stand by to take over from one that dies. With 0, as in Flink, a failed job waits for a new process. One more costs the memory of an idle process.',
  }),
  heartbeatIntervalMs: setting({
    env: 'FLINK_HEARTBEAT_INTERVAL_MS',
    key: 'heartbeat.interval',
    type: durationMs({ least: 10 }),
    default: 500,
    flinkDefault: '10 s',
    doc: 'How often JobManager and TaskManagers say that they are alive. Less than heartbeat.timeout, best a fifth of it, so that a single late one does no harm.',
  }),
  heartbeatTimeoutMs: setting({
    env: 'FLINK_HEARTBEAT_TIMEOUT_MS',
    key: 'heartbeat.timeout',
    type: durationMs({ least: 100 }),
    default: 3000,
    flinkDefault: '50 s',
    doc: 'Who says nothing for so long counts as dead. Short: a machine that is busy or stops for a moment is taken for dead. Long: a failed job stands still longer.',
  }),
} as const;

/** Every setting by the name it has in code. */
export const FLINK_SETTINGS = {
  parallelism: setting({
    env: 'FLINK_PARALLELISM',
    key: 'parallelism.default',
    type: wholeNumber({ least: 1, most: 32_768 }),
    default: 1,
    flinkDefault: '1',
    doc: 'Subtasks of each operator that does not say otherwise. Default: the number of cores.',
  }),
  maxParallelism: setting({
    env: 'FLINK_MAX_PARALLELISM',
    key: 'pipeline.max-parallelism',
    type: wholeNumber({ least: 1, most: 32_768 }),
    default: 1024,
    flinkDefault: 'by the parallelism, at least 128',
    doc: 'Number of key groups: the most subtasks the job can ever have. Fixed by its first snapshot.',
  }),
  autoWatermarkIntervalMs: setting({
    env: 'FLINK_AUTO_WATERMARK_INTERVAL_MS',
    key: 'pipeline.auto-watermark-interval',
    type: durationMs({ least: 1 }),
    default: 200,
    doc: 'How often sources send a watermark. Short: windows fire sooner. Long: less work.',
  }),
  taskStuckTimeoutMs: setting({
    env: 'TIDEMARK_TASK_STUCK_TIMEOUT_MS',
    key: 'tidemark.task.stuck-timeout',
    type: durationMs({ least: 100 }),
    default: 60_000,
    doc: 'A slot whose thread gives no sign of life for so long is ended, and its tasks have failed. Short: long calls in user code count as stuck. Long: an endless loop holds the job up.',
  }),
  preset: setting<PresetName | undefined>({
    env: 'TIDEMARK_PRESET',
    key: 'tidemark.preset',
    type: oneOf(PRESET_NAMES),
    default: undefined,
    doc: 'Other defaults, for a kind of use; everything that is said elsewhere wins over them. Default: none.',
  }),
  ...TASK_MANAGER_TABLE,
  ...CHECKPOINT_TABLE,
  ...RESTART_TABLE,
  ...STORAGE_TABLE,
  ...REST_TABLE,
  ...SERVICE_TABLE,
  ...RETENTION_TABLE,
} as const;

export type SettingName = keyof typeof FLINK_SETTINGS;

/** The value of each setting. */
export type SettingValues = {
  readonly [N in SettingName]: (typeof FLINK_SETTINGS)[N] extends Setting<infer T> ? T : never;
};

export type { Setting, SettingOrigin };

/** All settings with where each came from, and what was odd about them. */
export type FlinkSettings = SettingValues & {
  readonly origins: Readonly<Record<SettingName, SettingOrigin>>;
  /** Unknown and replaced keys: for the log at the start. */
  readonly warnings: readonly string[];
};

/** The names in the order of the table. */
export const SETTING_NAMES = Object.keys(FLINK_SETTINGS) as readonly SettingName[];

/** Names of the settings of the processes in which tasks run. */
export const TASK_MANAGER_SETTINGS = Object.keys(TASK_MANAGER_TABLE) as readonly SettingName[];

/** Names of the settings that say how checkpoints are made. */
export const CHECKPOINT_SETTINGS = Object.keys(CHECKPOINT_TABLE) as readonly SettingName[];

/** Names of the settings that say what happens after a failure. */
export const RECOVERY_SETTINGS = Object.keys(RESTART_TABLE) as readonly SettingName[];

/** Names of the settings of the stores that checkpoints go to. */
export const STORAGE_SETTINGS = Object.keys(STORAGE_TABLE) as readonly SettingName[];

/** Names of the settings of the service's HTTP interface. */
export const REST_SETTINGS = Object.keys(REST_TABLE) as readonly SettingName[];

import { hostProgramsByDefault } from './api/program.ts';

// A program that nobody hosts leads its own job; what that needs is loaded then.
hostProgramsByDefault(async (program) => {
  const { launchProgram } = await import('./cli/launch-program.ts');
  return launchProgram(program);
});

export { EngineError, type EngineErrorOptions, type ErrorKind } from './common/errors.ts';

export { defineJob, isJobDefinition } from './api/job-definition.ts';
export type { BuiltJob, JobContext, JobDefinition, JobOptions } from './api/job-definition.ts';
export { StreamExecutionEnvironment, type SourceOf } from './api/stream-execution-environment.ts';
export {
  BroadcastConnectedStream,
  BroadcastStream,
  ConnectedKeyedStreams,
  ConnectedStreams,
  DataStream,
  DataStreamSink,
  KeyedBroadcastConnectedStream,
  KeyedStream,
} from './api/data-stream.ts';
export type { KeyedProcessFn, ProcessFn, StreamKey } from './api/data-stream.ts';
export type { AsyncMapOptions } from './api/async-map.ts';
export type { FunctionOrClass } from './api/process-arguments.ts';
export type { AnySchema, InferOutput } from './api/schemas.ts';
export {
  CheckpointConfig,
  CheckpointingMode,
  ExternalizedCheckpointRetention,
  FileSystemCheckpointStorage,
  type CheckpointStorage,
} from './api/checkpoint-config.ts';
export { CheckpointSettings } from './api/checkpoint-settings.ts';
export { RecoveryConfig } from './api/recovery-config.ts';
export type { JobExecutionResult } from './api/program.ts';
export {
  setupCheckpointAndRecovery,
  setupCheckpointAndState,
  setupRecoveryStrategy,
} from './api/setup.ts';
export {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
} from './api/state-descriptors.ts';
export type { Aggregation, StateOptions, ValueStateOptions } from './api/state-descriptors.ts';
export { outputTag } from './api/output-tag.ts';
export { days, hours, milliseconds, minutes, seconds } from './api/durations.ts';
export {
  boundedOutOfOrderness,
  monotonous,
  noWatermarks,
  type WatermarkOptions,
} from './api/watermarks.ts';
export {
  globalWindow,
  session,
  sessionProcessingTime,
  sliding,
  slidingProcessingTime,
  tumbling,
  tumblingProcessingTime,
} from './api/windows.ts';
export type { AlignedWindowOptions, WindowCallOptions } from './api/windows.ts';
export {
  continuousProcessingTimeTrigger,
  continuousTrigger,
  countTrigger,
  customTrigger,
  eventTimeTrigger,
  neverTrigger,
  processingTimeTrigger,
  purging,
} from './api/triggers.ts';
export {
  aggregate,
  processWindow,
  reduceWindow,
  type WindowResultContext,
} from './api/window-functions.ts';
export { count, max, mean, min, sum } from './api/number-windows.ts';
export type { EmitResult, NumberWindow } from './api/number-windows.ts';

export type {
  BroadcastDescriptors,
  BroadcastProcessFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  NonKeyedContext,
  Nothing,
  OnTimerContext,
  ProcessContext,
  ProcessFunction,
  ReadOnlyBroadcasts,
  RuntimeContext,
  Sync,
  TimerService,
  WritableBroadcasts,
} from './contracts/functions.ts';
export type { DeadLetter, OnError, RecordPosition } from './contracts/dead-letter.ts';
export type { Output, OutputTag, SideOutput } from './contracts/output.ts';
export type {
  AggregatingState,
  AggregatingStateDescriptor,
  AnyStateDescriptor,
  BroadcastState,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReadOnlyBroadcastState,
  ReducingState,
  ReducingStateDescriptor,
  StateDescriptors,
  StateOf,
  StateTtl,
  StatesOf,
  ValueState,
  ValueStateDescriptor,
} from './contracts/state.ts';
export type { WatermarkStrategy } from './contracts/watermark-strategy.ts';
export type {
  AggregateFunction,
  CustomTrigger,
  TimeDomain,
  TimeWindow,
  Trigger,
  TriggerContext,
  TriggerResult,
  WindowAssigner,
  WindowContext,
  WindowFunction,
} from './contracts/windows.ts';

export { settings } from './settings/process-settings.ts';
export { withPreset } from './settings/presets.ts';
export { settingsSummary, settingsTable, type SettingSummary } from './settings/summary.ts';
export type {
  FlinkSettings,
  PresetName,
  SettingName,
  SettingOrigin,
  SettingValues,
} from './settings/flink-settings.ts';

export {
  toSerializer,
  type Migrate,
  type SchemaOf,
  type ToSerializerOptions,
} from './serde/to-serializer.ts';
export type { Resolution, Serializer } from './serde/serializer.ts';
export type { ByteReader, ByteWriter } from './serde/bytes.ts';
export type {
  EnumValue,
  FieldSchema,
  ObjectSchema,
  ScalarKind,
  ScalarSchema,
  TupleSchema,
  TypeSchema,
} from './serde/type-schema.ts';
export type {
  StandardIssue,
  StandardJsonSchema,
  StandardJsonSchemaOptions,
  StandardResult,
  StandardSchema,
} from './serde/standard-schema.ts';

export { files, type FilesOptions, type WatchOptions } from './connectors/file/file-source.ts';
export {
  replayedLetters,
  type ReplayedLettersOptions,
} from './connectors/file/replayed-letters.ts';
export { fileSink, type FileEncoder, type FileSinkOptions } from './connectors/file/file-sink.ts';
export type { FileEnumeratorState, FileIdentity, FileSplit } from './connectors/file/file-split.ts';
export type { PendingFile } from './connectors/file/pending-file.ts';
export type { FilePosition, InvalidRow, RowOptions } from './connectors/file/row-handler.ts';
export { rateLimited } from './connectors/generator/rate-limited.ts';
export {
  generate,
  type GenerateOptions,
  type GeneratorSplit,
  type GeneratorState,
} from './connectors/generator/generator-source.ts';
export { print, type PrintOptions } from './connectors/print/print-sink.ts';
export { collect, type Collected, type CollectedPart } from './connectors/collect/collect-sink.ts';
export type { CsvOptions } from './formats/csv-parser.ts';
export type { CommonParserOptions } from './formats/record-parser.ts';

export type {
  EnumeratorContext,
  ReaderContext,
  Source,
  SourceOutput,
  ReaderMetric,
  SourceReader,
  SplitEnumerator,
  World,
} from './contracts/source.ts';
export type {
  CommitReason,
  CommitResult,
  Committer,
  CommitterContext,
  Sink,
  PreflightContext,
  SinkRollback,
  SinkRollbackContext,
  SinkWriter,
  Stamped,
  WriterContext,
} from './contracts/sink.ts';
export type { Cancel, Clock } from './common/clock.ts';
export type { Random } from './common/random.ts';
export type {
  FileReader,
  FileStat,
  FileSystem,
  FileWriter,
  FolderEntry,
} from './common/file-system.ts';

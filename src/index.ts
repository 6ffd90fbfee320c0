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
} from './api/checkpoint-config.ts';
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

export type {
  BroadcastProcessFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  NonKeyedContext,
  OnTimerContext,
  ProcessContext,
  ProcessFunction,
  RuntimeContext,
  Sync,
  TimerService,
} from './contracts/functions.ts';
export type { Output, OutputTag, SideOutput } from './contracts/output.ts';
export type {
  AggregatingState,
  AggregatingStateDescriptor,
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
  StatesOf,
  ValueState,
  ValueStateDescriptor,
} from './contracts/state.ts';
export type { WatermarkStrategy } from './contracts/watermark-strategy.ts';
export type {
  CustomTrigger,
  TimeWindow,
  Trigger,
  TriggerContext,
  TriggerResult,
  WindowAssigner,
  WindowContext,
  WindowFunction,
} from './contracts/windows.ts';

export type { FlinkSettings, SettingName, SettingOrigin } from './settings/flink-settings.ts';

export { toSerializer, type SchemaOf, type ToSerializerOptions } from './serde/to-serializer.ts';
export type { Serializer } from './serde/serializer.ts';

export { files, type FilesOptions, type WatchOptions } from './connectors/file/file-source.ts';
export { fileSink, type FileEncoder, type FileSinkOptions } from './connectors/file/file-sink.ts';
export type { FilePosition, InvalidRow, RowOptions } from './connectors/file/row-handler.ts';
export { rateLimited } from './connectors/generator/rate-limited.ts';
export { generate, type GenerateOptions } from './connectors/generator/generator-source.ts';
export { print, type PrintOptions } from './connectors/print/print-sink.ts';
export { collect, type Collected } from './connectors/collect/collect-sink.ts';

export type {
  EnumeratorContext,
  ReaderContext,
  Source,
  SourceOutput,
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

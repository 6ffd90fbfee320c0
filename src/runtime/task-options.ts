import type { Random } from '../common/random.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { World } from '../contracts/source.ts';
import type { JobVertex } from '../graph/job-graph.ts';
import type { StreamNode } from '../graph/operator-spec.ts';
import type {
  BackendOptions,
  KeyedStateBackend,
  SnapshotTarget,
} from '../state/keyed-state-backend.ts';
import type { CheckpointingMode } from './barrier-aligner.ts';
import type { ChannelReader } from './channel.ts';
import type { TaskOutput } from './chain.ts';
import type { JobMasterGateway, TaskId, TaskRestore } from './gateways.ts';
import type { Operator } from './operator.ts';

/** The readers of one input edge. */
export interface TaskInput {
  /** The edge's id in the job graph. */
  readonly edgeId: string;
  /** One per sending subtask, in their order; for a forward edge the one with our own number. */
  readonly readers: readonly ChannelReader[];
}

export interface TaskSettings {
  readonly checkpointingMode: CheckpointingMode;
  /** Milliseconds between two watermarks of a source. Smaller: timers fire sooner, at more cost. */
  readonly autoWatermarkIntervalMs: number;
  /**
   * For tests: each emitted value is frozen, and what the next operator gets is a copy that went
   * through bytes, so that a job with one subtask behaves as with several.
   */
  readonly checkMode: boolean;
  /** Drops states of the snapshot that an operator no longer declares, instead of refusing to start. */
  readonly allowNonRestoredState: boolean;
}

export const DEFAULT_TASK_SETTINGS: TaskSettings = {
  checkpointingMode: 'exactly-once',
  autoWatermarkIntervalMs: 200,
  checkMode: false,
  allowNonRestoredState: false,
};

/** Everything that a task needs; it takes nothing from elsewhere. */
export interface TaskOptions {
  readonly id: TaskId;
  readonly jobName: string;
  readonly vertex: JobVertex;
  readonly maxParallelism: number;
  /** Unique per lineage, leadership, attempt and subtask; safe in file names. */
  readonly writerId: string;
  /** One for each of `vertex.inputs`. */
  readonly inputs: readonly TaskInput[];
  /** One for each of `vertex.outputs`. */
  readonly outputs: readonly TaskOutput[];
  readonly world: World;
  readonly jobMaster: JobMasterGateway;
  readonly createOperator: (node: StreamNode) => Operator;
  readonly createKeyedBackend: (options: BackendOptions) => KeyedStateBackend;
  /** Where the files of one operator's part in one snapshot go. */
  readonly snapshotTarget: (barrier: CheckpointBarrier, uid: string) => SnapshotTarget;
  readonly restore: TaskRestore | undefined;
  readonly settings: TaskSettings;
  /** Draws the order in which channels are read, for simulations. Default: round robin. */
  readonly random?: Random | undefined;
  /** Gets the text of the generated chain: `TIDEMARK_DEBUG=codegen`. */
  readonly printChain?: ((text: string) => void) | undefined;
}

/**
 * Public helpers to test a job: a virtual clock, harnesses, a faulty store, the simulator.
 * @module
 */
export {
  CHECKPOINTS,
  SimulatedJob,
  type Outcome,
  type SimulatedJobGiven,
  type SimulatedJobOptions,
  type SubmitOptions,
} from './simulated-job.ts';
export type { SimulatedClusterOptions } from './simulated-cluster.ts';
export type { JobEvent, JobResult, JobStatus } from '../cluster/job-events.ts';
export type { StartFrom } from '../cluster/start-from.ts';
export type { ClaimMode } from '../checkpoint/claim.ts';
export type { Namespace } from '../state/keyed-state-backend.ts';
export type { KeyedEntry } from '../state/read-keyed-runs.ts';
export type { BlobEntry, BlobStore, ByteRange, Bytes, Etag } from '../storage/blob-store.ts';
export { Simulation, type RunBounds, type SimulationOptions } from './simulation/simulation.ts';
export type {
  SimulatedDevices,
  SimulatedProcess,
  SimulatedWorld,
} from './simulation/simulated-process.ts';
export type { LinkQuality, SimulatedNetwork } from './simulation/simulated-network.ts';
export type {
  ProgramOptions,
  SimulatedMain,
  SimulatedPrograms,
} from './simulation/simulated-programs.ts';
export type {
  CrashPoint,
  DiskFault,
  DiskOperation,
  DiskWrite,
  SimulatedDisk,
} from './simulation/simulated-disk.ts';
export type { Cancel, Clock } from '../common/clock.ts';
export type {
  FileReader,
  FileStat,
  FileSystem,
  FileWriter,
  FolderEntry,
} from '../common/file-system.ts';
export type { Random } from '../common/random.ts';
export type { Child, ExitReason, Spawner } from '../common/spawner.ts';
export type { Connection, Listener, Transport } from '../common/transport.ts';
export { seededRandom } from './simulation/seeded-random.ts';

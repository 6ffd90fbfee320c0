/**
 * Public helpers to test a job: a virtual clock, harnesses, a faulty store, the simulator.
 * @module
 */
export { Simulation, type RunBounds, type SimulationOptions } from './simulation/simulation.ts';
export type { SimulatedProcess, SimulatedWorld } from './simulation/simulated-process.ts';
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
export { seededRandom } from './simulation/seeded-random.ts';

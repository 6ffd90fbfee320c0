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
export { seededRandom } from './simulation/seeded-random.ts';

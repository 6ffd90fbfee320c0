/**
 * Public helpers to test a job: a virtual clock, harnesses, a faulty store, the simulator.
 * @module
 */
export {};

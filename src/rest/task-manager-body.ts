import os from 'node:os';
import type { TaskManagerView } from '../cluster/dispatcher/cluster.ts';

/** The memory of a process is the operating system's to give: nothing is set apart. */
const NO_RESOURCE = {
  taskHeapMemory: 0,
  taskOffHeapMemory: 0,
  managedMemory: 0,
  networkMemory: 0,
  extendedResources: {},
};

/** An entry of `GET /taskmanagers` */
export function taskManagerEntry(view: TaskManagerView): object {
  const { id, pid, slots, freeSlots, lastHeardMs } = view;
  return {
    id,
    path: `process:${pid}`,
    dataPort: -1,
    jmxPort: -1,
    timeSinceLastHeartbeat: lastHeardMs,
    slotsNumber: slots,
    freeSlots,
    totalResource: { cpuCores: slots, ...NO_RESOURCE },
    freeResource: { cpuCores: freeSlots, ...NO_RESOURCE },
    hardware: {
      cpuCores: os.availableParallelism(),
      physicalMemory: os.totalmem(),
      freeMemory: os.freemem(),
      managedMemory: 0,
    },
    memoryConfiguration: {
      frameworkHeap: 0,
      taskHeap: 0,
      frameworkOffHeap: 0,
      taskOffHeap: 0,
      networkMemory: 0,
      managedMemory: 0,
      jvmMetaspace: 0,
      jvmOverhead: 0,
      totalFlinkMemory: 0,
      totalProcessMemory: 0,
    },
  };
}

/** `GET /taskmanagers/:taskmanagerid` */
export function taskManagerBody(view: TaskManagerView): object {
  const { jobId, slots, freeSlots } = view;
  const taken = jobId === undefined ? 0 : slots - freeSlots;
  return {
    ...taskManagerEntry(view),
    allocatedSlots: Array.from({ length: taken }, () => ({
      jobId,
      resource: { cpuCores: 1, ...NO_RESOURCE },
    })),
    metrics: {
      heapUsed: 0,
      heapCommitted: 0,
      heapMax: 0,
      nonHeapUsed: 0,
      nonHeapCommitted: 0,
      nonHeapMax: 0,
      directCount: 0,
      directUsed: 0,
      directMax: 0,
      mappedCount: 0,
      mappedUsed: 0,
      mappedMax: 0,
      nettyShuffleMemorySegmentsAvailable: 0,
      nettyShuffleMemorySegmentsUsed: 0,
      nettyShuffleMemorySegmentsTotal: 0,
      nettyShuffleMemoryAvailable: 0,
      nettyShuffleMemoryUsed: 0,
      nettyShuffleMemoryTotal: 0,
      garbageCollectors: [],
    },
  };
}

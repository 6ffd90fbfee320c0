/** The writer's thread of a ring, for the conformance suite. */
import { parentPort, workerData } from 'node:worker_threads';
import { ThreadLink, type ThreadLinkEnd } from '../../src/runtime/ring-link.ts';
import { WriterDriver, type WriterCommand } from './writer-driver.ts';

export interface RingPeerData {
  readonly link: ThreadLinkEnd;
  readonly memory: SharedArrayBuffer;
}

const { link, memory } = workerData as RingPeerData;
const driver = new WriterDriver(new ThreadLink(link).writer(1, memory));

parentPort?.on('message', ({ id, command }: { id: number; command: WriterCommand }) => {
  void driver.run(command).then((state) => parentPort?.postMessage({ id, state }));
});

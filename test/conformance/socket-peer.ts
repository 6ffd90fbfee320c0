/** The writer's process, or thread, of a channel over a socket, for the conformance suite. */
import { parentPort, workerData } from 'node:worker_threads';
import { nodeTransport } from '../../src/common/node-transport.ts';
import { SocketLink, type SocketLinkOptions } from '../../src/runtime/socket-link.ts';
import { WriterDriver, type WriterCommand } from './writer-driver.ts';

export interface SocketPeerData {
  readonly token: string;
  readonly address: string;
  readonly options: SocketLinkOptions;
}

const { token, address, options } =
  parentPort === null
    ? (JSON.parse(process.argv[2] ?? '{}') as SocketPeerData)
    : (workerData as SocketPeerData);
const say = (message: unknown): void => {
  if (parentPort === null) process.send?.(message);
  else parentPort.postMessage(message);
};
// The channel is written to before there is a connection.
const link = new SocketLink(nodeTransport({ token }).connect(address), options);
const driver = new WriterDriver(link.writer(1));

(parentPort ?? process).on('message', ({ id, command }: { id: number; command: WriterCommand }) => {
  void driver.run(command).then((state) => {
    say({ id, state });
  });
});
say('ready');

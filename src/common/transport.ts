/**
 * The network between the processes of a job, as an argument: `nodeTransport` is TCP on this machine,
 * the simulator has one with delays, partitions and broken connections.
 *
 * A connection carries frames: runs of bytes that come out as they went in, each once, in order,
 * or not at all. Who is at the other side is known before the first frame is delivered.
 */
import { peerGone } from './transport-errors.ts';

/** Most bytes of one frame. */
export const FRAME_BYTES_MAX = 64 * 2 ** 20;

/** Each listener is one: setting it again replaces it. */
export interface Connection {
  /**
   * Takes a frame, always; its bytes may be used again at once. False: so much is queued that the
   * caller should wait for `onWritable`. Once the connection is closed, frames go nowhere.
   *
   * @throws {EngineError} `COM-002` (`invalid`) for a frame of more than `FRAME_BYTES_MAX`.
   */
  send(frame: Uint8Array): boolean;
  isWritable(): boolean;
  /**
   * The frame's bytes are the listener's only during the call. While there is no listener, frames
   * wait, and the end behind them; `undefined` takes it away again.
   */
  onFrame(listener: ((frame: Uint8Array) => void) | undefined): void;
  /** Called when a connection that said false takes frames again. */
  onWritable(listener: () => void): void;
  /**
   * Called once, behind the last frame, also when it is set too late. `undefined`: one of the two
   * sides has called `close`, or this one `destroy`. An error: the other process is gone, or what it
   * sends makes no sense.
   */
  onClose(listener: (why: Error | undefined) => void): void;
  /** Sends what is queued, for a bounded time, and ends. Nothing is delivered any more. */
  close(): void;
  /** Ends at once. What is queued is lost. */
  destroy(): void;
}

export interface Listener {
  /** What the other side gives to `connect`. */
  readonly address: string;
  /** Takes no more connections. Those that are made stay. */
  close(): Promise<void>;
}

export interface Transport {
  listen(onConnection: (connection: Connection) => void): Promise<Listener>;
  /**
   * @throws {EngineError} `COM-003` (`unavailable`) when nobody listens there, or not in time;
   * `COM-004` (`unavailable`) when who listens there is none of this job's processes.
   */
  connect(address: string): Promise<Connection>;
}

/**
 * A copy of the first frame, such as the name of who connects. Those behind it wait for `onFrame`.
 * Rejects when the connection ends before. Give it a time: who connects may say nothing.
 */
export async function firstFrame(connection: Connection): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    connection.onClose((why) => {
      reject(why ?? peerGone('unknown'));
    });
    connection.onFrame((frame) => {
      connection.onFrame(undefined);
      resolve(frame.slice());
    });
  });
}

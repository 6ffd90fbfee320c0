import type { TransferredError } from '../../common/error-transfer.ts';
import { ByteReader, ByteWriter } from '../../serde/bytes.ts';
import { readAny, writeAny } from '../../serde/msgpack.ts';
import type { DeploymentId, SlotData, SlotDeploy, SlotOrder, SlotReport } from './slot-protocol.ts';

/*
 * What the JobManager and a TaskManager say to each other: frames of one connection, each a message
 * as msgpack. Both are of one release.
 */

/** What a TaskManager's process can get ready with before there is a JobManager for it. */
export interface TaskManagerHint {
  /** URL of the job's module. */
  readonly module: string;
  readonly slots: number;
}

/** What a TaskManager's process is started with. */
export interface TaskManagerInit {
  /** What its log and its JobManager call it. */
  readonly id: string;
  /** Where its JobManager listens. */
  readonly address: string;
  /** What lets it in there. */
  readonly token: string;
  readonly slots: number;
}

/**
 * A slot of a TaskManager: its place and how many were opened there before, so that what was meant
 * for one that has died never comes to the one that follows it.
 */
export interface SlotRef {
  readonly index: number;
  readonly incarnation: number;
}

export type ToTaskManager =
  | { readonly kind: 'ping' }
  /** Before any slot is opened. */
  | { readonly kind: 'load'; readonly data: SlotData; readonly stuckTimeoutMs: number }
  /** Answered by `slot-ready` or `slot-died`, whenever that is. */
  | { readonly kind: 'open-slot'; readonly slot: SlotRef }
  /** Answered by `slot-died`. */
  | { readonly kind: 'kill-slot'; readonly slot: SlotRef }
  | { readonly kind: 'deploy'; readonly slot: SlotRef; readonly deploy: SlotDeploy }
  | { readonly kind: 'order'; readonly slot: SlotRef; readonly order: SlotOrder }
  /** Nothing will follow: end. */
  | { readonly kind: 'close' };

export type FromTaskManager =
  /** The first one. */
  | {
      readonly kind: 'register';
      readonly id: string;
      readonly pid: number;
      readonly slots: number;
    }
  | { readonly kind: 'pong' }
  | { readonly kind: 'slot-ready'; readonly slot: SlotRef; readonly address: string }
  /** Its thread is gone, for certain. */
  | { readonly kind: 'slot-died'; readonly slot: SlotRef; readonly error: TransferredError }
  /** A slot cannot be ended, for which there was this reason: the whole process must be killed. */
  | { readonly kind: 'broken'; readonly error: TransferredError }
  | {
      readonly kind: 'report';
      readonly slot: SlotRef;
      readonly deployment: DeploymentId;
      readonly report: SlotReport;
    };

/** @throws {EngineError} `SER-004` (`invalid`) if something in the message is no data. */
export function encodeMessage(message: ToTaskManager | FromTaskManager): Uint8Array {
  const to = new ByteWriter();
  writeAny(message, to);
  return to.finish();
}

/** @throws {EngineError} `SER-001` (`corrupt`) for bytes that `encodeMessage` did not write. */
export function decodeToTaskManager(frame: Uint8Array): ToTaskManager {
  return decode(frame) as ToTaskManager;
}

/** @throws {EngineError} `SER-001` (`corrupt`) for bytes that `encodeMessage` did not write. */
export function decodeFromTaskManager(frame: Uint8Array): FromTaskManager {
  return decode(frame) as FromTaskManager;
}

function decode(frame: Uint8Array): unknown {
  // The frame's memory is used again; bytes in a message are parts of what it was read from.
  return readAny(new ByteReader(frame.slice()));
}

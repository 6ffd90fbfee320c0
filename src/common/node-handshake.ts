/**
 * Shows both sides of a socket that the other one has the token, which itself never travels:
 *
 *   listener  ── magic, 32 random bytes ──────────────────────────►  connector
 *             ◄─ magic, 32 random bytes, proof over both ──────────
 *             ── proof over both ─────────────────────────────────►
 *
 * A proof is the HMAC-SHA-256 of the side's name and the random bytes of both. Nothing else is read
 * before it is right, so who does not have the token makes this process keep less than 100 bytes.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';

/** How long the other side may take, from the moment when it connects or is connected to. */
export const HANDSHAKE_MS_MAX = 5_000;

const MAGIC = Buffer.from('TIDEMRK1', 'latin1');
const NONCE_BYTES = 32;
const PROOF_BYTES = 32;

export type HandshakeOutcome =
  | 'accepted'
  /** It said something that one with the token would not say. */
  | 'refused'
  /** It went away, or said too little in time. */
  | 'gone';

/** The side that listens. The socket is paused and nothing has been read from it. */
export async function acceptPeer(
  socket: Socket,
  token: string,
  maxMs = HANDSHAKE_MS_MAX,
): Promise<HandshakeOutcome> {
  const own = randomBytes(NONCE_BYTES);
  socket.write(Buffer.concat([MAGIC, own]));
  const answer = await readExactly(socket, MAGIC.length + NONCE_BYTES + PROOF_BYTES, maxMs);
  if (answer === undefined) return 'gone';
  if (!answer.subarray(0, MAGIC.length).equals(MAGIC)) return 'refused';
  const theirs = answer.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
  const proof = answer.subarray(MAGIC.length + NONCE_BYTES);
  if (!timingSafeEqual(proof, proofOf('connector', token, own, theirs))) return 'refused';
  socket.write(proofOf('listener', token, own, theirs));
  return 'accepted';
}

/** The side that connects. */
export async function greetPeer(
  socket: Socket,
  token: string,
  maxMs = HANDSHAKE_MS_MAX,
): Promise<HandshakeOutcome> {
  const own = randomBytes(NONCE_BYTES);
  const greeting = await readExactly(socket, MAGIC.length + NONCE_BYTES, maxMs);
  if (greeting === undefined) return 'gone';
  if (!greeting.subarray(0, MAGIC.length).equals(MAGIC)) return 'refused';
  const theirs = greeting.subarray(MAGIC.length);
  socket.write(Buffer.concat([MAGIC, own, proofOf('connector', token, theirs, own)]));
  const proof = await readExactly(socket, PROOF_BYTES, maxMs);
  // A listener hangs up on who proves nothing, so a connector without the token sees it go.
  if (proof === undefined) return 'refused';
  return timingSafeEqual(proof, proofOf('listener', token, theirs, own)) ? 'accepted' : 'refused';
}

function proofOf(side: string, token: string, listener: Buffer, connector: Buffer): Buffer {
  return createHmac('sha256', token).update(side).update(listener).update(connector).digest();
}

/** The next `length` bytes; what comes behind them stays in the socket. `undefined`: they do not come. */
async function readExactly(
  socket: Socket,
  length: number,
  maxMs: number,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (bytes: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.off('readable', look);
      for (const event of GONE_EVENTS) socket.off(event, gone);
      resolve(bytes);
    };
    const look = (): void => {
      const bytes = socket.read(length) as Buffer | null;
      if (bytes !== null) done(bytes.length === length ? bytes : undefined);
    };
    const gone = (): void => {
      done(undefined);
    };
    const timer = setTimeout(gone, maxMs);
    socket.on('readable', look);
    for (const event of GONE_EVENTS) socket.on(event, gone);
    look();
  });
}

const GONE_EVENTS = ['error', 'end', 'close'] as const;

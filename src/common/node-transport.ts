import { createServer, connect as connectSocket, type AddressInfo, type Socket } from 'node:net';
import { assert } from './assert.ts';
import { NodeConnection } from './node-connection.ts';
import { acceptPeer, greetPeer, HANDSHAKE_MS_MAX } from './node-handshake.ts';
import type { Connection, Listener, Transport } from './transport.ts';
import { cannotConnect, cannotListen, wrongPeer } from './transport-errors.ts';

export interface NodeTransportOptions {
  /** What all processes of a job know and nobody else does. At least 32 characters, drawn at random. */
  readonly token: string;
  /** How long a peer may take to show that it has the token. Default `HANDSHAKE_MS_MAX`. */
  readonly handshakeMsMax?: number;
}

const HOST = '127.0.0.1';
/** Who connects and says nothing is dropped after a time; more of them at once are dropped right away. */
const HANDSHAKES_MAX = 256;
const TOKEN_LENGTH_MIN = 32;

/** TCP between processes of this machine. Who does not have the token is dropped before any frame. */
export function nodeTransport(options: NodeTransportOptions): Transport {
  const { token, handshakeMsMax = HANDSHAKE_MS_MAX } = options;
  assert(token.length >= TOKEN_LENGTH_MIN, 'a token is too short to be secret');
  return {
    listen: (onConnection) => listen(token, handshakeMsMax, onConnection),
    connect: (address) => connect(token, handshakeMsMax, address),
  };
}

async function listen(
  token: string,
  handshakeMsMax: number,
  onConnection: (connection: Connection) => void,
): Promise<Listener> {
  const greeting = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    // Until somebody else listens, a failing socket must not end the process.
    socket.on('error', () => socket.destroy());
    if (greeting.size >= HANDSHAKES_MAX) {
      socket.destroy();
      return;
    }
    greeting.add(socket);
    void acceptPeer(socket, token, handshakeMsMax).then((outcome) => {
      greeting.delete(socket);
      if (outcome !== 'accepted' || socket.destroyed) socket.destroy();
      else onConnection(new NodeConnection(socket, addressOf(socket)));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(cannotListen(HOST, error));
    });
    server.listen({ host: HOST, port: 0 }, resolve);
  });
  // A connection that could not be taken, for want of file descriptors: who connected sees it fail.
  server.on('error', () => undefined);
  const { port } = server.address() as AddressInfo;
  return {
    address: `${HOST}:${port}`,
    async close() {
      server.close();
      for (const socket of greeting) socket.destroy();
    },
  };
}

async function connect(
  token: string,
  handshakeMsMax: number,
  address: string,
): Promise<Connection> {
  const [host, port] = parsed(address);
  const socket = connectSocket({ host, port, noDelay: true });
  try {
    await connected(socket, address, handshakeMsMax);
    const outcome = await greetPeer(socket, token, handshakeMsMax);
    if (outcome === 'refused') throw wrongPeer(address);
    if (outcome === 'gone') throw cannotConnect(address, 'it did not answer');
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return new NodeConnection(socket, address);
}

function parsed(address: string): readonly [host: string, port: number] {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw cannotConnect(address, 'this is no address');
  }
  return [address.slice(0, colon), port];
}

async function connected(socket: Socket, address: string, maxMs: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(cannotConnect(address, 'it did not answer'));
    }, maxMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve();
    });
    // Stays: until somebody else listens, a failing socket must not end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(cannotConnect(address, error.code ?? error.message, error));
    });
  });
}

function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? HOST}:${socket.remotePort ?? 0}`;
}

/*
 * Goal: frames come out as they went in, whatever they are and however the bytes are cut; who does
 * not have the token delivers nothing; every end is told once.
 * Method: real sockets on 127.0.0.1, raw ones for those who do not keep to the rules, and a real
 * process for the one that is killed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { FrameSplitter, GOODBYE } from './frame-splitter.ts';
import { QUEUE_BYTES_MAX } from './node-connection.ts';
import { greetPeer } from './node-handshake.ts';
import { nodeTransport } from './node-transport.ts';
import { FRAME_BYTES_MAX, firstFrame, type Connection, type Listener } from './transport.ts';

const TOKEN = 'a token that only the processes of one job know';

interface Pair {
  readonly near: Connection;
  readonly far: Connection;
}

/** A listener whose connections are awaited one by one. */
async function listening(options: { handshakeMsMax?: number } = {}) {
  const arrived: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  const listener = await nodeTransport({ token: TOKEN, ...options }).listen((connection) => {
    onTestFinished(() => connection.destroy());
    const wake = waiting.shift();
    if (wake === undefined) arrived.push(connection);
    else wake(connection);
  });
  onTestFinished(() => listener.close());
  const next = async () =>
    arrived.shift() ?? new Promise<Connection>((resolve) => waiting.push(resolve));
  return { listener, next, arrived };
}

async function pair(): Promise<Pair> {
  const { listener, next } = await listening();
  const near = await nodeTransport({ token: TOKEN }).connect(listener.address);
  onTestFinished(() => near.destroy());
  return { near, far: await next() };
}

async function framesOf(connection: Connection, count: number): Promise<Uint8Array[]> {
  return new Promise((resolve) => {
    const frames: Uint8Array[] = [];
    connection.onFrame((frame) => {
      frames.push(frame.slice());
      if (frames.length === count) resolve(frames);
    });
  });
}

async function endOf(connection: Connection): Promise<Error | undefined> {
  return new Promise((resolve) => {
    connection.onClose(resolve);
    connection.onFrame(() => undefined);
  });
}

function bytes(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + seed * 7) & 255);
}

/** A socket to a listener that has shown that it has the token. */
async function greeted(listener: Listener): Promise<Socket> {
  const socket = connectSocket(Number(listener.address.split(':')[1]), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  expect(await greetPeer(socket, TOKEN)).toBe('accepted');
  return socket;
}

async function closeOf(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
}

function framed(...frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const header = Buffer.alloc(4);
      header.writeUInt32LE(frame.length);
      return [header, frame];
    }),
  );
}

describe('frames', () => {
  it('come in order, in both directions, empty and large ones too', async () => {
    const { near, far } = await pair();
    const sizes = [0, 1, 5, 0, 65_531, 65_532, 65_533, 200_000, 3, 5_000_000, 0];
    const sent = sizes.map((size, n) => bytes(size, n));
    const [there, back] = [framesOf(far, sent.length), framesOf(near, sent.length)];
    for (const frame of sent) near.send(frame);
    for (const frame of sent) far.send(frame);
    expect((await there).map((one) => Buffer.from(one).equals(sent.shift() ?? one))).not.toContain(
      false,
    );
    expect((await back).map(({ length }) => length)).toEqual(sizes);
  });

  it('may be changed by the sender at once', async () => {
    const { near, far } = await pair();
    const frame = bytes(10);
    const large = bytes(100_000);
    near.send(frame);
    near.send(large);
    frame.fill(0);
    large.fill(0);
    expect(await framesOf(far, 2)).toEqual([bytes(10), bytes(100_000)]);
  });

  it('wait until somebody listens, and the end waits behind them', async () => {
    const { near, far } = await pair();
    for (let n = 0; n < 100; n++) near.send(bytes(1_000, n));
    const closed = vi.fn();
    far.onClose(closed);
    near.close();
    // What is sent the other way shows that time has passed for both.
    const other = await pair();
    other.near.send(bytes(1));
    await framesOf(other.far, 1);
    expect(closed).not.toHaveBeenCalled();
    expect(await framesOf(far, 100)).toHaveLength(100);
    await expect.poll(() => closed.mock.calls).toEqual([[undefined]]);
  });

  it('wait again behind one that names who connects', async () => {
    const { near, far } = await pair();
    const others = Array.from({ length: 50 }, (_, n) => bytes(100 + n, n));
    for (const frame of [bytes(3), ...others]) near.send(frame);
    near.close();
    expect(await firstFrame(far)).toEqual(bytes(3));
    const closed = vi.fn();
    far.onClose(closed);
    const rest = framesOf(far, others.length);
    expect(await rest).toEqual(others);
    await expect.poll(() => closed.mock.calls).toEqual([[undefined]]);
  });

  it('are not awaited for ever where the connection ends', async () => {
    const { near, far } = await pair();
    near.destroy();
    await expect(firstFrame(far)).rejects.toMatchObject({ code: 'COM-005' });
  });

  it('of the largest size are taken, larger ones refused', async () => {
    const { near, far } = await pair();
    const largest = new Uint8Array(FRAME_BYTES_MAX);
    largest[FRAME_BYTES_MAX - 1] = 7;
    const tooLarge = expect.objectContaining({ code: 'COM-002', kind: 'invalid' });
    expect(() => near.send(new Uint8Array(FRAME_BYTES_MAX + 1))).toThrow(tooLarge);
    near.send(largest);
    const [frame] = await framesOf(far, 1);
    expect(frame?.length).toBe(FRAME_BYTES_MAX);
    expect(frame?.at(-1)).toBe(7);
  });

  it('come out the same however the stream is cut', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(300)), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 400 })), (lengths, cuts) => {
        const frames = lengths.map((length, n) => bytes(length, n));
        const stream = framed(...frames);
        const splitter = new FrameSplitter();
        const found: Uint8Array[] = [];
        let at = 0;
        for (let cut = 0; at < stream.length; cut++) {
          const chunk = stream.subarray(at, at + (cuts[cut % Math.max(1, cuts.length)] ?? 1));
          expect(splitter.take(chunk, (one) => found.push(one.slice()) > 0)).toBe('more');
          at += chunk.length;
        }
        expect(found.map((one) => [...one])).toEqual(frames.map((one) => [...one]));
      }),
    );
  });

  it('are not delivered once the listener has closed the connection', async () => {
    const { near, far } = await pair();
    near.onFrame(() => undefined);
    for (let n = 0; n < 10; n++) near.send(bytes(10, n));
    let delivered = 0;
    const closed = new Promise((resolve) => {
      far.onClose(resolve);
    });
    far.onFrame(() => {
      delivered++;
      if (delivered === 3) far.close();
    });
    expect(await closed).toBeUndefined();
    expect(delivered).toBe(3);
  });
});

describe('backpressure', () => {
  it('takes all, says when it is too much, and when there is room again', async () => {
    const { near, far } = await pair();
    const frame = bytes(10_000);
    let sent = 0;
    while (near.send(frame)) sent++;
    for (let n = 0; n < 50; n++) expect(near.send(frame)).toBe(false);
    sent += 51;
    expect(near.isWritable()).toBe(false);
    const writable = new Promise<void>((resolve) => {
      near.onWritable(resolve);
    });
    const received = framesOf(far, sent);
    await writable;
    expect(near.isWritable()).toBe(true);
    expect(await received).toHaveLength(sent);
    expect(sent * frame.length).toBeGreaterThan(QUEUE_BYTES_MAX);
  });

  it('lets a waiting sender go when the connection ends', async () => {
    const { near, far } = await pair();
    while (near.send(bytes(10_000))) continue;
    const writable = new Promise<void>((resolve) => {
      near.onWritable(resolve);
    });
    near.onFrame(() => undefined);
    far.destroy();
    await writable;
    expect(near.send(bytes(1))).toBe(true);
  });
});

describe('an end', () => {
  it('that is meant is told to both sides as such, behind all that was sent', async () => {
    const { near, far } = await pair();
    const frames = framesOf(far, 201);
    const ends = [endOf(near), new Promise((resolve) => far.onClose(resolve))];
    for (let n = 0; n <= 200; n++) near.send(bytes(50_000, n));
    near.close();
    near.close();
    near.send(bytes(1));
    expect(await frames).toHaveLength(201);
    expect(await Promise.all(ends)).toEqual([undefined, undefined]);
  });

  it('is told late to who asks late, and once', async () => {
    const { near, far } = await pair();
    const end = endOf(far);
    near.close();
    await end;
    const late = vi.fn();
    far.onClose(late);
    await expect.poll(() => late.mock.calls).toEqual([[undefined]]);
  });

  it('by destroy is an error at the other side', async () => {
    const { near, far } = await pair();
    const ends = [endOf(near), endOf(far)];
    near.destroy();
    const gone = expect.objectContaining({ code: 'COM-005', kind: 'unavailable' });
    expect(await Promise.all(ends)).toEqual([undefined, gone]);
  });

  it('by kill -9 is an error, behind what came before', async () => {
    const { listener, next } = await listening();
    const program = `
      import { nodeTransport } from ${JSON.stringify(new URL('node-transport.ts', import.meta.url))};
      const connection = await nodeTransport({ token: process.argv[1] }).connect(process.argv[2]);
      connection.onFrame(() => undefined);
      for (let n = 0; n < 3; n++) connection.send(Uint8Array.of(n));
      setInterval(() => undefined, 1000);
    `;
    const args = ['--input-type=module', '-e', program, TOKEN, listener.address];
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const connection = await next();
    const end = new Promise((resolve) => connection.onClose(resolve));
    expect(await framesOf(connection, 3)).toEqual([0, 1, 2].map((n) => Uint8Array.of(n)));
    child.kill('SIGKILL');
    expect(await end).toMatchObject({ code: 'COM-005' });
  });

  it('comes in the middle of a frame, which is not delivered', async () => {
    const { listener, next } = await listening();
    const socket = await greeted(listener);
    const connection = await next();
    const end = new Promise((resolve) => connection.onClose(resolve));
    const frames: number[] = [];
    connection.onFrame(({ length }) => frames.push(length));
    socket.end(framed(bytes(5), bytes(100)).subarray(0, 60));
    expect(await end).toMatchObject({ code: 'COM-005' });
    expect(frames).toEqual([5]);
  });
});

describe('strangers', () => {
  it('that send garbage behind the handshake are dropped', async () => {
    const { listener, next } = await listening();
    const socket = await greeted(listener);
    const connection = await next();
    const end = endOf(connection);
    socket.write(Buffer.alloc(100, 0xee));
    expect(await end).toMatchObject({ code: 'COM-006', details: { sizeBytes: 0xeeee_eeee } });
    expect(GOODBYE).toBeGreaterThan(FRAME_BYTES_MAX);
  });

  it('with another token are refused, and deliver nothing', async () => {
    const { listener, arrived } = await listening();
    const wrong = nodeTransport({ token: `${TOKEN}!` }).connect(listener.address);
    await expect(wrong).rejects.toMatchObject({ code: 'COM-004', kind: 'unavailable' });
    expect(arrived).toEqual([]);
  });

  it.each([
    ['bytes that are no handshake', Buffer.alloc(72, 1)],
    [
      'the right beginning and a wrong proof',
      Buffer.concat([Buffer.from('TIDEMRK1'), Buffer.alloc(64)]),
    ],
    ['frames at once', Buffer.concat([framed(bytes(1000)), Buffer.alloc(1e6)])],
  ])('that send %s are dropped', async (_, sent) => {
    const { listener, arrived } = await listening();
    const socket = connectSocket(Number(listener.address.split(':')[1]), '127.0.0.1');
    socket.resume();
    socket.write(sent);
    await closeOf(socket);
    expect(arrived).toEqual([]);
  });

  it('that say nothing are dropped after a time', async () => {
    const { listener, arrived } = await listening({ handshakeMsMax: 50 });
    const socket = connectSocket(Number(listener.address.split(':')[1]), '127.0.0.1');
    socket.resume();
    await closeOf(socket);
    expect(arrived).toEqual([]);
  });

  it('that listen are sent nothing but a greeting', async () => {
    const heard: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        heard.push(chunk);
        socket.write(Buffer.alloc(32));
      });
      socket.write(Buffer.concat([Buffer.from('TIDEMRK1'), Buffer.alloc(32)]));
    });
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const connecting = nodeTransport({ token: TOKEN }).connect(`127.0.0.1:${port}`);
    await expect(connecting).rejects.toMatchObject({ code: 'COM-004' });
    // What was sent may be on its way still.
    await expect.poll(() => Buffer.concat(heard).length).toBe(8 + 32 + 32);
    expect(Buffer.concat(heard).includes(TOKEN)).toBe(false);
  });
});

describe('connect', () => {
  it('fails where nobody listens', async () => {
    const { listener } = await listening();
    await listener.close();
    const connecting = nodeTransport({ token: TOKEN }).connect(listener.address);
    await expect(connecting).rejects.toMatchObject({
      code: 'COM-003',
      details: { address: listener.address, error: 'ECONNREFUSED' },
    });
  });

  it('fails where nobody answers in time', async () => {
    const server = createServer(() => undefined);
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const connecting = nodeTransport({ token: TOKEN, handshakeMsMax: 50 }).connect(
      `127.0.0.1:${port}`,
    );
    await expect(connecting).rejects.toMatchObject({ code: 'COM-003' });
  });

  it.each(['', 'nonsense', '127.0.0.1:', ':80', '127.0.0.1:70000'])(
    'fails for %j, which is no address',
    async (address) => {
      const connecting = nodeTransport({ token: TOKEN }).connect(address);
      await expect(connecting).rejects.toMatchObject({ code: 'COM-003' });
    },
  );

  it('leaves connections alone when the listener closes', async () => {
    const { listener, next } = await listening();
    const near = await nodeTransport({ token: TOKEN }).connect(listener.address);
    onTestFinished(() => near.destroy());
    const far = await next();
    await listener.close();
    near.send(bytes(9));
    expect(await framesOf(far, 1)).toEqual([bytes(9)]);
  });
});

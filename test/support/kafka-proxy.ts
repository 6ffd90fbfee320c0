/**
 * A way to a broker that can be told to swallow requests of one kind, as a network does in a bad moment: what
 * clients ask does not arrive, and their connection breaks.
 */
import net from 'node:net';

const LENGTH_BYTES = 4;

export class KafkaProxy {
  readonly port: number;
  /** API keys of requests that do not arrive, such as 26 for `EndTxn`. */
  readonly swallowed = new Set<number>();
  /** How many did not. */
  swallows = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** @param target Where the broker listens; asked for each connection. */
  static async start(target: () => number): Promise<KafkaProxy> {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('no port');
    const proxy = new KafkaProxy(server, address.port);
    server.on('connection', (client) => {
      proxy.#connect(client, target());
    });
    return proxy;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connect(client: net.Socket, port: number): void {
    const broker = net.connect(port, '127.0.0.1');
    const both = [client, broker];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        for (const one of both) one.destroy();
        this.#sockets.delete(socket);
      });
    }
    broker.pipe(client, { end: false });
    let waiting = Buffer.alloc(0);
    client.on('data', (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (waiting.length >= LENGTH_BYTES) {
        const end = LENGTH_BYTES + waiting.readInt32BE(0);
        if (waiting.length < end) return;
        const request = waiting.subarray(0, end);
        waiting = waiting.subarray(end);
        if (this.swallowed.has(request.readInt16BE(LENGTH_BYTES))) {
          this.swallows += 1;
          client.destroy();
          return;
        }
        broker.write(request);
      }
    });
  }
}

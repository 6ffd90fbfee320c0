/** Stands before a real schema registry: asks for credentials, speaks TLS, and goes away when a test wants it. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';

export interface RegistryProxyOptions {
  /** Of the registry: everything behind it is the same here. */
  readonly target: string;
  /** What the header must say. */
  readonly authorization?: string;
  /** Key and certificate. */
  readonly pem?: Buffer;
}

export class RegistryProxy {
  /** While set, each request gets this status instead. */
  status: number | undefined;
  /** While true, connections are cut off. */
  isDown = false;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  readonly #options: RegistryProxyOptions;
  readonly #server: http.Server;

  private constructor(options: RegistryProxyOptions) {
    this.#options = options;
    const handle: http.RequestListener = (request, response) => {
      this.#handle(request, response).catch(() => request.socket.destroy());
    };
    const { pem } = options;
    this.#server =
      pem === undefined
        ? http.createServer(handle)
        : https.createServer({ key: pem, cert: pem }, handle);
  }

  static async start(options: RegistryProxyOptions): Promise<RegistryProxy> {
    const proxy = new RegistryProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    const scheme = this.#options.pem === undefined ? 'http' : 'https';
    return `${scheme}://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    this.asked.push(url);
    const { target, authorization } = this.#options;
    if (this.isDown) {
      request.socket.destroy();
      return;
    }
    if (this.status !== undefined || (authorization ?? '') !== (headers.authorization ?? '')) {
      response.writeHead(this.status ?? 401).end('{"error_code":40101,"message":"no"}');
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = parts.length === 0 ? undefined : Buffer.concat(parts);
    const type = headers['content-type'];
    const answer = await fetch(target + url, {
      method,
      // A connection of its own: one that was idle may be closed by now.
      headers: { connection: 'close', ...(type === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body }),
    });
    response.writeHead(answer.status).end(await answer.text());
  }
}

/**
 * Stands in front of an S3 server and does to requests what networks, load balancers and busy servers do. Each
 * request is asked for; what nobody asked for goes through.
 */
import http from 'node:http';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

export interface SeenRequest {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

export type Fault =
  /** Goes through. */
  | { readonly kind: 'pass' }
  /** The server never sees it. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** As `answer`, with any body. */
  | { readonly kind: 'say'; readonly status: number; readonly body: string }
  /** No answer, ever; the server never sees it. */
  | { readonly kind: 'hang' }
  /** The connection breaks before the server sees it. */
  | { readonly kind: 'reset' }
  /** The server does it; then the connection breaks. */
  | { readonly kind: 'lose-answer' }
  /** The server does it, and what is in between says that the server does not answer. */
  | { readonly kind: 'garble-answer'; readonly status: number }
  /** The server does it twice, and the second answer counts. */
  | { readonly kind: 'repeat' }
  /** No answer, and the server sees it only when `release` is called. */
  | { readonly kind: 'hold' }
  /** Half of the answer's body, then nothing. */
  | { readonly kind: 'stall-body' }
  /** As a server does that does not know this condition of a PUT. */
  | { readonly kind: 'ignore'; readonly header: 'if-match' | 'if-none-match' };

const XML = { 'content-type': 'application/xml' };

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Half of the body, and then nothing more. */
  readonly isHalf?: true;
}

export class S3Proxy {
  /** What becomes of a request. */
  rule: (request: SeenRequest) => Fault = () => ({ kind: 'pass' });
  /** Done before a request is looked at. */
  before: (request: SeenRequest) => Promise<void> = () => Promise.resolve();
  readonly seen: SeenRequest[] = [];
  readonly #target: URL;
  readonly #server: http.Server;
  readonly #held: (() => Promise<void>)[] = [];
  readonly #forwarded = new Set<Promise<Answer>>();

  constructor(target: string) {
    this.#target = new URL(target);
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch(() => request.socket.destroy());
    });
  }

  /** @returns its address */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('no port');
    return `http://127.0.0.1:${address.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The next requests that match meet one fault each, in order; all others pass. */
  plan(matches: (request: SeenRequest) => boolean, ...faults: readonly Fault[]): void {
    const left = [...faults];
    this.rule = (request) => (matches(request) ? left.shift() : undefined) ?? { kind: 'pass' };
  }

  /** What was held arrives now. */
  async release(): Promise<void> {
    for (const send of this.#held.splice(0)) await send();
  }

  /** What was passed on is done. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#forwarded);
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const { method = '', url = '', headers } = request;
    const seen = { method, url, headers };
    await this.before(seen);
    this.seen.push(seen);
    const said = await this.#said(this.rule(seen), seen, body);
    switch (said) {
      case 'nothing':
        return;
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      default:
        answer(response, said);
    }
  }

  async #said(
    fault: Fault,
    seen: SeenRequest,
    body: Buffer,
  ): Promise<Answer | 'nothing' | 'reset'> {
    switch (fault.kind) {
      case 'pass':
        return this.#forward(seen, body);
      case 'ignore': {
        const knows = seen.headers[fault.header] === undefined;
        return knows ? this.#forward(seen, body) : this.#putAnyhow(seen, body);
      }
      case 'answer':
        return refusal(fault.status, fault.code);
      case 'say':
        return { status: fault.status, headers: XML, body: Buffer.from(fault.body) };
      case 'hang':
        return 'nothing';
      case 'reset':
        return 'reset';
      case 'lose-answer':
        await this.#forward(seen, body);
        return 'reset';
      case 'garble-answer':
        await this.#forward(seen, body);
        return { status: fault.status, headers: {}, body: Buffer.from('<html>') };
      case 'repeat':
        await this.#forward(seen, body);
        return this.#forward(seen, body);
      case 'hold':
        this.#held.push(async () => {
          await this.#forward(seen, body);
        });
        return 'nothing';
      case 'stall-body':
        return { ...(await this.#forward(seen, body)), isHalf: true };
    }
  }

  /** The condition is signed: the request has to be made anew. */
  async #putAnyhow({ url, headers }: SeenRequest, body: Buffer): Promise<Answer> {
    const [, bucket = '', ...key] = new URL(url, this.#target).pathname.split('/');
    const client = new S3Client({
      endpoint: this.#target.origin,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'test', secretAccessKey: 'testtest123' },
    });
    const metadata = Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), String(value)]] : [],
    );
    const { ETag = '' } = await client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: decodeURIComponent(key.join('/')),
        Body: body,
        Metadata: Object.fromEntries(metadata) as Record<string, string>,
      }),
    );
    return { status: 200, headers: { etag: ETag }, body: Buffer.of() };
  }

  #forward(seen: SeenRequest, body: Buffer): Promise<Answer> {
    const answer = this.#passOn(seen, body);
    this.#forwarded.add(answer);
    const isDone = (): boolean => this.#forwarded.delete(answer);
    answer.then(isDone, isDone);
    return answer;
  }

  #passOn({ method, url, headers }: SeenRequest, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#target;
      const options = { hostname, port, method, path: url, headers, agent: false };
      const request = http.request(options, (response) => {
        bodyOf(response).then((bytes) => {
          const { statusCode = 0, headers: answered } = response;
          resolve({ status: statusCode, headers: answered, body: bytes });
        }, reject);
      });
      request.once('error', reject);
      request.end(body);
    });
  }
}

async function bodyOf(message: http.IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function refusal(status: number, code: string): Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>planned</Message></Error>`;
  return { status, headers: XML, body: Buffer.from(text) };
}

function answer(response: http.ServerResponse, { status, headers, body, isHalf }: Answer): void {
  const { connection: _, 'transfer-encoding': __, ...kept } = headers;
  response.writeHead(status, kept);
  if (isHalf === true) response.write(body.subarray(0, body.length / 2));
  else response.end(body);
}

/** Stands between a REST catalog and who asks it, and loses requests and answers as told. */
import http from 'node:http';

/** What happens to a commit: `request` never arrives; `answer` gets lost; `hang` arrives and is never answered. */
export type CatalogFault = 'request' | 'answer' | '504 behind' | '503 before' | 'hang';

export interface CatalogProxy {
  readonly uri: string;
  /** What goes wrong with the next commits. */
  plan(...faults: readonly CatalogFault[]): void;
  left(): number;
  /** Done once, before the next commit is passed on: another writer that is first. */
  beforeCommit(work: () => Promise<void> | void): void;
  forgetTokens(): void;
  close(): Promise<void>;
}

/** Passes requests on to a server, or not. */
export async function startCatalogProxy(
  target: string,
  secured?: { credential: string },
): Promise<CatalogProxy> {
  const faults: CatalogFault[] = [];
  const tokens = new Set<string>();
  let issued = 0;
  let intrusion: (() => Promise<void> | void) | undefined;
  const proxy = http.createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy());
  });
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path_ = request.url ?? '';
    if (secured !== undefined) {
      if (path_ === '/v1/oauth/tokens') {
        const form = new URLSearchParams(body.toString());
        const isKnown =
          `${form.get('client_id')}:${form.get('client_secret')}` === secured.credential;
        const token = `token-${++issued}`;
        if (isKnown) tokens.add(token);
        response.writeHead(isKnown ? 200 : 401).end(JSON.stringify({ access_token: token }));
        return;
      }
      const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
      if (!tokens.has(token)) {
        response.writeHead(401).end('{"error":{"message":"who are you?"}}');
        return;
      }
    }
    const isCommit = request.method === 'POST' && /\/tables\/[^/]+$/.test(path_);
    const fault = isCommit ? faults.shift() : undefined;
    if (fault === 'request') return void request.socket.destroy();
    if (fault === '503 before') return void response.writeHead(503).end('busy');
    if (isCommit && intrusion !== undefined) {
      const work = intrusion;
      intrusion = undefined;
      await work();
    }
    const delegation = request.headers['x-iceberg-access-delegation'];
    const passed = await fetch(target + path_, {
      method: request.method ?? 'GET',
      headers: {
        'content-type': 'application/json',
        // A connection of its own: one that was idle may be closed by now.
        connection: 'close',
        ...(delegation === undefined ? {} : { 'x-iceberg-access-delegation': String(delegation) }),
      },
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    });
    const text = await passed.text();
    if (fault === 'answer') return void request.socket.destroy();
    if (fault === '504 behind') return void response.writeHead(504).end('late');
    if (fault === 'hang') return;
    response.writeHead(passed.status, { 'content-type': 'application/json' }).end(text);
  };
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return {
    uri: `http://127.0.0.1:${address.port}`,
    plan: (...planned) => void faults.push(...planned),
    left: () => faults.length,
    beforeCommit: (work) => void (intrusion = work),
    forgetTokens: () => tokens.clear(),
    close: () =>
      new Promise((resolve) => {
        proxy.closeAllConnections();
        proxy.close(() => resolve());
      }),
  };
}

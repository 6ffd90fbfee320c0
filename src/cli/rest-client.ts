/**
 * What commands ask of a running service: Flink's REST interface, as Flink's own client uses it. Nothing
 * of the engine is loaded here, so that a command answers at once.
 */
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import path from 'node:path';
import { EngineError } from '../common/errors.ts';
import { badAddress, noService, requestRefused } from './cli-errors.ts';

/** Where a service listens unless it is told otherwise; Flink's port. */
const DEFAULT_ADDRESS = 'localhost:8081';
/** A service that is there answers small questions at once. */
const ANSWER_MS_MAX = 30_000;
const ANSWER_BYTES_MAX = 64 * 2 ** 20;

export interface ServiceOption {
  /** `host:port`, with `https://` before it for TLS. Default: the service of this user. */
  readonly jobmanager?: string;
}

export class RestClient {
  readonly address: string;
  readonly #host: string;
  readonly #port: number;
  readonly #isTls: boolean;
  readonly #token: string | undefined;

  private constructor(given: string, token: string | undefined) {
    const found = /^(https?:\/\/)?(\[[0-9a-f:]+\]|[^:/\s]+):(\d{1,5})\/?$/i.exec(given);
    const [, scheme, host, digits] = found ?? [];
    const port = Number(digits);
    if (host === undefined || port < 1 || port > 65_535) throw badAddress(given);
    this.#host = host.replace(/^\[|\]$/g, '');
    this.#port = port;
    this.#isTls = scheme?.toLowerCase() === 'https://';
    this.#token = token;
    this.address = `${host}:${port}`;
  }

  /**
   * The service at the address that was given, or in `TIDEMARK_SERVICE`; else the one of this user on this
   * machine; else whatever listens where Flink does.
   *
   * @throws {EngineError} `CLI-020` (`invalid`)
   */
  static async open({ jobmanager }: ServiceOption): Promise<RestClient> {
    const { TIDEMARK_SERVICE: named, TIDEMARK_REST_TOKEN: token } = process.env;
    const given = jobmanager ?? named;
    if (given !== undefined) return new RestClient(given, token);
    return (await RestClient.ofThisUser()) ?? new RestClient(DEFAULT_ADDRESS, token);
  }

  /**
   * The service of this user's data folder, or the JobManager that leads its cluster since that one is gone,
   * or stands by; undefined if none runs.
   */
  static async ofThisUser(): Promise<RestClient | undefined> {
    const { findService } = await import('../service/service-record.ts');
    const { dataFolder } = await import('./data-folder.ts');
    const folder = dataFolder({});
    const address = findService(folder)?.record.address;
    if (address !== undefined) return new RestClient(address, readToken(folder));
    const { clusterMembers } = await import('../service/cluster-place.ts');
    const leader = (await clusterMembers(folder))?.leader;
    if (leader?.address === undefined) return undefined;
    // On another machine its folder is not ours to read: there a token of the settings is needed.
    const token = readToken(leader.folder) ?? process.env['TIDEMARK_REST_TOKEN'];
    return new RestClient(leader.address, token);
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#ask('GET', path, undefined);
  }

  /** @param path Without `/v1`. */
  post<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.#ask('POST', path, body);
  }

  patch(path: string): Promise<unknown> {
    return this.#ask('PATCH', path, {});
  }

  /**
   * @throws {EngineError} `CLI-021` (`unavailable`) if nobody answers, `CLI-025` if the answer is an error.
   */
  async #ask<Answer>(method: string, path: string, body: unknown): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { status, answer } = await this.#exchange(method, path, text).catch((error: unknown) => {
      if (error instanceof EngineError) throw error;
      throw noService(this.address, error);
    });
    if (status < 400) return parsed(answer) as Answer;
    throw requestRefused(`${method} ${path}`, status, reasonIn(answer));
  }

  async #exchange(
    method: string,
    path: string,
    body: string | undefined,
  ): Promise<{ readonly status: number; readonly answer: string }> {
    const { request } = this.#isTls ? (await import('node:https')).default : http;
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: this.#host,
          port: this.#port,
          path: `/v1${path}`,
          method,
          timeout: ANSWER_MS_MAX,
          headers: {
            accept: 'application/json',
            ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
            ...(body !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response) => {
          textOf(response).then(
            (answer) => resolve({ status: response.statusCode ?? 500, answer }),
            reject,
          );
        },
      );
      asked.on('timeout', () => {
        asked.destroy(noService(this.address, `no answer within ${ANSWER_MS_MAX} ms`));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }
}

/** Undefined for who may not read it. */
function readToken(folder: string): string | undefined {
  try {
    return readFileSync(path.join(folder, 'token'), 'utf8').trim();
  } catch {
    return undefined;
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) {
      throw requestRefused('answer', 500, `it has more than ${ANSWER_BYTES_MAX} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parsed(answer: string): unknown {
  if (answer === '') return {};
  try {
    return JSON.parse(answer) as unknown;
  } catch {
    throw requestRefused('answer', 500, 'it is no JSON: something else listens there');
  }
}

/** Flink answers with `errors`, of which the last has the stack. */
function reasonIn(answer: string): string {
  try {
    const { errors } = JSON.parse(answer) as { readonly errors?: readonly unknown[] };
    const texts = (errors ?? []).filter((text) => typeof text === 'string');
    return reasonOf(texts.findLast((text) => text !== '') ?? answer);
  } catch {
    return reasonOf(answer);
  }
}

/** Of a stack trace: what its innermost cause says, without the name of the class. */
export function reasonOf(trace: string): string {
  const lines = trace.split('\n').filter((line) => !/^\s*(\.\.\. \d+ more|at )/.test(line));
  const causes = lines.filter((line) => line.startsWith('Caused by: '));
  const last = (causes.at(-1) ?? lines[0] ?? trace).replace(/^Caused by: /, '');
  return last.replace(/^(?:[\w$]+\.)+[\w$]+: /, '').trim();
}

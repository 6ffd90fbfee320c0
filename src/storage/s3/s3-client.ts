import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { Clock } from '../../common/clock.ts';
import { sleep } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import type { Random } from '../../common/random.ts';
import { Places } from './places.ts';
import { failureOf, S3Timeout } from './s3-failure.ts';
import type { S3Settings } from './s3-settings.ts';

/** The library and a client of it. */
export interface S3Api {
  readonly sdk: typeof import('@aws-sdk/client-s3');
  readonly client: S3Client;
}

/** Whether a write may have taken effect, by what is known so far. */
export interface S3Effect {
  isPossible: boolean;
}

/** One try of a request. */
export interface S3Try {
  /** To be passed on to the client. */
  readonly signal: AbortSignal;
  /** Bytes came: the time without an answer counts from now. */
  readonly progressed: () => void;
}

export interface S3Request<T> {
  /** How much it sends. A slow line needs time for it. */
  readonly sizeBytes?: number;
  /** Of a write: set when a try may have taken effect although it failed. */
  readonly effect?: S3Effect;
  /** A try. It may run several times. */
  readonly run: (api: S3Api, attempt: S3Try) => Promise<T>;
}

/**
 * A client of an S3 store, and the way all requests to it go: so many at a time, each given up when no answer
 * comes, those that may succeed later tried again with growing pauses, for a time that has an end.
 *
 * The library retries nothing by itself: only who knows that a try had no answer can tell whether a refusal
 * afterwards is due to that very try.
 *
 * Loads the library when something is first asked.
 */
export class S3Connection {
  readonly settings: S3Settings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #places: Places;
  #api: Promise<S3Api> | undefined;

  constructor(settings: S3Settings, { clock, random }: S3World) {
    this.settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.#places = new Places(settings.s3ConnectionsMax);
  }

  get random(): Random {
    return this.#random;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  /** @throws {S3Failure} of the last try; {@link EngineError} `STO-025` (`invalid`). */
  async request<T>(request: S3Request<T>): Promise<T> {
    const api = await this.#load();
    let untilMs: number | undefined;
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#places.run(() => {
          untilMs ??= this.#clock.monotonicMs() + this.settings.s3RetryTimeoutMs;
          return this.#try(api, request);
        });
      } catch (error) {
        if (error instanceof EngineError) throw error;
        const failure = failureOf(error);
        if (!failure.isCertain && request.effect) request.effect.isPossible = true;
        const pauseMs = this.#pauseMs(tries);
        // Even where one try of a large part takes longer than all of them may, there is a second one.
        const isLate = tries >= TRIES_LEAST && this.#clock.monotonicMs() + pauseMs > (untilMs ?? 0);
        const isCorrected = failure.kind === 'clock' && tries === 1;
        if ((failure.kind !== 'passing' && !isCorrected) || isLate) throw failure;
        await sleep(this.#clock, pauseMs);
      }
    }
  }

  /** Before something is begun again that another request has got in the way of. */
  async pause(tries: number): Promise<void> {
    await sleep(this.#clock, this.#pauseMs(tries));
  }

  #pauseMs(tries: number): number {
    const fullMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.min(tries - 1, DOUBLINGS_MAX));
    return fullMs * (0.5 + this.#random.next() / 2);
  }

  async #try<T>(api: S3Api, { run, sizeBytes = 0 }: S3Request<T>): Promise<T> {
    const timeoutMs = this.settings.s3RequestTimeoutMs + sizeBytes / LEAST_BYTES_PER_MS;
    const abort = new AbortController();
    let giveUp: (reason: unknown) => void;
    // Not left to the library alone: what it waits for may be something that it cannot give up.
    const late = new Promise<never>((_, reject) => (giveUp = reject));
    const arm = (): (() => void) =>
      this.#clock.after(timeoutMs, () => {
        const timeout = new S3Timeout(`no answer within ${Math.round(timeoutMs)} ms`);
        giveUp(timeout);
        abort.abort(timeout);
      });
    let disarm = arm();
    const progressed = (): void => {
      disarm();
      disarm = arm();
    };
    try {
      return await Promise.race([run(api, { signal: abort.signal, progressed }), late]);
    } finally {
      disarm();
    }
  }

  #load(): Promise<S3Api> {
    this.#api ??= loadApi(this.settings).catch((error: unknown) => {
      this.#api = undefined;
      throw error;
    });
    return this.#api;
  }
}

export interface S3World {
  readonly clock: Clock;
  readonly random: Random;
}

const TRIES_LEAST = 2;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 5_000;
const DOUBLINGS_MAX = 10;
/** A line that is slower than 2 Mbit/s carries no checkpoints. */
const LEAST_BYTES_PER_MS = 256;

const connections = new Map<string, S3Connection>();
/** Of other settings than these many it is one that nobody has used for long. */
const CONNECTIONS_MAX = 16;

/** The connection of this thread for these settings: all stores share it, its limits and its sockets. */
export function connectionOf(settings: S3Settings, world: S3World): S3Connection {
  const key = JSON.stringify(settings);
  const known = connections.get(key) ?? new S3Connection(settings, world);
  connections.delete(key);
  connections.set(key, known);
  for (const oldest of connections.keys()) {
    if (connections.size <= CONNECTIONS_MAX) break;
    connections.delete(oldest);
  }
  return known;
}

async function loadApi(settings: S3Settings): Promise<S3Api> {
  const agents = await agentsOf(settings);
  const sdk = await import('@aws-sdk/client-s3');
  return { sdk, client: new sdk.S3Client({ ...configOf(settings), ...agents }) };
}

/** What the library is told. Without agents, which need the disk. */
export function configOf(settings: S3Settings): S3ClientConfig {
  const { s3Endpoint, s3PathStyleAccess, s3SslEnabled, s3Region } = settings;
  const scheme = s3SslEnabled ? 'https' : 'http';
  const endpoint =
    s3Endpoint === undefined || /^https?:\/\//i.test(s3Endpoint)
      ? s3Endpoint
      : `${scheme}://${s3Endpoint}`;
  return {
    region: s3Region ?? 'us-east-1',
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: s3PathStyleAccess,
    // See S3Connection.
    maxAttempts: 1,
    ...credentialsOf(settings),
  };
}

/** Nothing for the chain: the library has it. */
function credentialsOf(settings: S3Settings): Pick<S3ClientConfig, 'credentials' | 'signer'> {
  const { s3CredentialsProvider: provider, s3AccessKey, s3SecretKey, s3SessionToken } = settings;
  if (provider === 'anonymous') {
    return {
      credentials: { accessKeyId: '', secretAccessKey: '' },
      signer: { sign: (request) => Promise.resolve(request) },
    };
  }
  const hasKeys = s3AccessKey !== undefined && s3SecretKey !== undefined;
  if (provider === 'chain' || (provider === 'auto' && !hasKeys)) return {};
  return {
    credentials: {
      accessKeyId: s3AccessKey ?? '',
      secretAccessKey: s3SecretKey ?? '',
      ...(s3SessionToken === undefined ? {} : { sessionToken: s3SessionToken }),
    },
  };
}

async function agentsOf(settings: S3Settings): Promise<Pick<S3ClientConfig, 'requestHandler'>> {
  const { s3CaFile, s3ConnectTimeoutMs, s3ConnectionsMax } = settings;
  const http = await import('node:http');
  const https = await import('node:https');
  const shared = { keepAlive: true, maxSockets: s3ConnectionsMax };
  const trusted = s3CaFile === undefined ? {} : { ca: await certificatesIn(s3CaFile) };
  const httpsAgent: Agent = new https.Agent({ ...shared, ...trusted });
  return {
    requestHandler: {
      connectionTimeout: s3ConnectTimeoutMs,
      httpAgent: new http.Agent(shared),
      httpsAgent,
    },
  };
}

async function certificatesIn(file: string): Promise<string[]> {
  try {
    const text = await readFile(file, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return [...rootCertificates, text];
  } catch (cause) {
    throw badCaFile(file, cause);
  }
  throw badCaFile(file, undefined);
}

function badCaFile(file: string, cause: unknown): EngineError {
  return new EngineError('STO-025', 'invalid', 'the certificates to trust cannot be read', {
    details: { file },
    hint: 'Point tidemark.s3.ca-file to a file in PEM form that this user can read.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** One request to a schema registry. `fetch` cannot be given an authority or a certificate of one's own. */
import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../../../common/clock.ts';
import type { TlsFiles } from './registry-access.ts';

export interface RegistryRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly tls: TlsFiles;
  readonly timeoutMs: number;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly text: string;
}

/** No schema is this large; something else answers then. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Rejects with Node's error if there is no whole answer in time. */
export function sendToRegistry(request: RegistryRequest, clock: Clock): Promise<RegistryAnswer> {
  const { method, url, headers, body, tls, timeoutMs } = request;
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false as const };
    const sent = url.startsWith('https:')
      ? https.request(url, { ...options, ...tls })
      : http.request(url, options);
    const cancel = clock.after(timeoutMs, () => {
      sent.destroy(new RegistrySilence(`no answer within ${timeoutMs} ms`));
    });
    sent.on('response', (response) => {
      const parts: Buffer[] = [];
      let sizeBytes = 0;
      response.on('data', (part: Buffer) => {
        sizeBytes += part.length;
        if (sizeBytes > ANSWER_BYTES_MAX) sent.destroy(new RegistrySilence('an endless answer'));
        else parts.push(part);
      });
      response.on('end', () => {
        cancel();
        if (response.complete) {
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(parts).toString('utf8'),
          });
        }
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.on('close', () => {
      cancel();
      // Harmless after an answer.
      reject(new RegistrySilence('the connection was closed before the answer'));
    });
    sent.end(body);
  });
}

/** What Node has no error for. */
class RegistrySilence extends Error {
  override readonly name = 'RegistrySilence';
}

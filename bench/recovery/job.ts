/**
 * The job of the recovery bench: fills keyed state, then reads it at a fixed rate. Its sink writes a
 * line per read, with what was read and when, into a file of its writer.
 */
import fs from 'node:fs';
import path from 'node:path';
import { defineJob, generate, valueState, type Sink } from 'tidemark';
import { z } from 'zod';

const Settings = z.object({
  /** Folder of the lines; a file `throw` in it makes the next read throw, once. */
  probe: z.string(),
  keys: z.number(),
  valueBytes: z.number(),
  /** Reads per second. */
  rate: z.number(),
});
type Settings = z.infer<typeof Settings>;

const Request = z.object({ kind: z.enum(['fill', 'read']), n: z.number(), atMs: z.number() });
const Answer = z.object({ n: z.number(), atMs: z.number(), ok: z.boolean() });
type Answer = z.infer<typeof Answer>;

const stored = valueState('stored', z.string());

export default defineJob('recovery', { settings: Settings }, (env, { settings }) => {
  const { keys, valueBytes, rate, probe } = settings;
  const fill = env
    .fromSource(
      'fill',
      generate(keys, (n) => n),
    )
    .map('fill-request', Request, (n) => ({ kind: 'fill' as const, n, atMs: 0 }));
  const reads = env
    .fromSource(
      'reads',
      generate(Infinity, (n) => n, { rowsPerSecond: rate }),
    )
    .map('read-request', Request, (n) => ({ kind: 'read' as const, n, atMs: Date.now() }));
  const trigger = path.join(probe, 'throw');
  fill
    .union(reads)
    .keyBy(({ kind, n }) => (kind === 'fill' ? n : Math.imul(n, 0x9e37_79b1) >>> 0) % keys)
    .process('store', { stored }, Answer, ({ kind, n, atMs }, { state, key, out }) => {
      if (kind === 'fill') {
        state.stored.update(valueOf(key, valueBytes));
        return;
      }
      if (fs.existsSync(trigger)) throwOnce(trigger);
      out.emit({ n, atMs, ok: state.stored.value() === valueOf(key, valueBytes) });
    })
    .sinkTo('probe', probeSink(probe));
});

function valueOf(key: number, bytes: number): string {
  return String(key).padEnd(bytes, 'v');
}

function throwOnce(trigger: string): void {
  // Of two slots that see it, one removes it.
  try {
    fs.renameSync(trigger, `${trigger}n`);
  } catch {
    return;
  }
  fs.writeFileSync(`${trigger}n`, String(Date.now()));
  throw new TypeError('thrown for the bench');
}

function probeSink(folder: string): Sink<Answer> {
  return {
    kind: 'probe',
    committables: undefined,
    writer: ({ writerId }) => {
      const file = fs.openSync(path.join(folder, `${writerId}.lines`), 'a');
      return {
        write: ({ n, atMs, ok }) => {
          fs.writeSync(file, `${n} ${atMs} ${Date.now()} ${ok ? 1 : 0}\n`);
        },
        prepareCommit: () => Promise.resolve([]),
        close: () => {
          fs.closeSync(file);
          return Promise.resolve();
        },
      };
    },
  };
}

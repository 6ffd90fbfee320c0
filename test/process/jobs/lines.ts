/** Copies rows of a file. */
import { defineJob, files, fileSink } from 'tidemark';
import { z } from 'zod';

const LinesSettings = z.object({
  input: z.string(),
  out: z.string(),
  repeat: z.number().default(1),
});

export default defineJob('lines', { settings: LinesSettings }, (env, { settings }) => {
  env
    .fromSource('rows', files(settings.input, z.object({ id: z.string() })))
    .sinkTo('copy', fileSink({ path: settings.out, format: 'json-lines' }));
});

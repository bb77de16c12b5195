import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../errors/system-error-code.js';
import type { Logger } from '../telemetry/logger.js';
import { readManifest } from './document-manifest.js';
import type { Release } from './trusted-documents.js';
import { OperatorError } from '../errors/operator-error.js';

/** Invalid files of trusted documents; each of `problems` names the file, the entry, what is wrong and the remedy. */
class DocumentFilesError extends OperatorError {
  constructor(readonly problems: readonly string[]) {
    super(['The trusted documents are invalid:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
  }
}

const maxFiles = 500;
const maxFileBytes = 16_000_000;
/** Per file. */
const maxReportedProblems = 10;

/**
 * Reads the manifest of each release, `<dir>/<client>/<version>.json`. A missing directory has none.
 * @throws DocumentFilesError that names every invalid file and entry
 */
export async function readDocumentFiles(dir: string): Promise<Release[]> {
  const files = await filesIn(dir);
  if (files.length > maxFiles)
    throw new DocumentFilesError([
      `${dir} has ${files.length} files; at most ${maxFiles} are allowed: remove releases that are no longer used`,
    ]);
  const releases: Release[] = [];
  const problems: string[] = [];
  for (const file of files) {
    try {
      releases.push(await readRelease(dir, file));
    } catch (error) {
      if (!(error instanceof DocumentFilesError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (problems.length > 0) throw new DocumentFilesError(problems);
  return releases;
}

export interface DocumentFilesOptions {
  dir: string;
  /** Milliseconds between two polls. */
  pollMs: number;
  /** Called with all releases after each change. */
  changed: (releases: readonly Release[]) => void;
  log: Logger;
}

/**
 * Watches the files of trusted documents by polling: network drives and mounted volumes send no file-system notifications. A file
 * is read once two polls find it unchanged, so that a partial write is not read. If a file is invalid, or the directory cannot
 * be read, the current documents stay trusted.
 */
export class DocumentFiles {
  readonly #options: DocumentFilesOptions;
  readonly #stop = new AbortController();
  readonly #releases = new Map<string, Release>();
  /** The fingerprint of each file when it was last read, valid or not. */
  readonly #read = new Map<string, string>();
  #previous: ReadonlyMap<string, string> = new Map();
  #isReadable = true;
  #watching: Promise<void> = Promise.resolve();

  constructor(options: DocumentFilesOptions) {
    this.#options = options;
  }

  /**
   * Reads all files and starts watching them.
   * @throws DocumentFilesError that names every invalid file and entry
   */
  async ready(): Promise<void> {
    const { dir, changed } = this.#options;
    this.#previous = await fingerprints(dir);
    const releases = await readDocumentFiles(dir);
    for (const [file, seen] of this.#previous) this.#read.set(file, seen);
    for (const release of releases) this.#releases.set(fileOf(release), release);
    changed(releases);
    this.#watching = this.#watch();
  }

  /** Stops watching; resolves once a running poll has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const slept = (): Promise<boolean> =>
      sleep(this.#options.pollMs, true, { signal: this.#stop.signal, ref: false }).catch(() => false);
    while (await slept()) await this.#poll();
  }

  async #poll(): Promise<void> {
    const { dir, log, changed } = this.#options;
    let now: ReadonlyMap<string, string>;
    try {
      now = await fingerprints(dir);
      if (this.#read.size > 0 && now.size === 0) await stat(dir);
    } catch (error) {
      // A missing directory must not clear the allowlist.
      if (this.#isReadable)
        log.error({ err: error }, 'trusted documents directory unreadable; keeping current documents');
      this.#isReadable = false;
      return;
    }
    if (!this.#isReadable) log.info({ dir }, 'trusted documents directory readable again');
    this.#isReadable = true;
    const previous = this.#previous;
    this.#previous = now;
    let hasChanged = false;
    for (const file of new Set([...this.#read.keys(), ...now.keys()])) {
      const seen = now.get(file);
      if (seen === this.#read.get(file) || seen !== previous.get(file)) continue;
      if (await this.#reload(file, seen)) hasChanged = true;
    }
    if (hasChanged) changed([...this.#releases.values()]);
  }

  /** Reads a file again. @returns whether its release changed */
  async #reload(file: string, seen: string | undefined): Promise<boolean> {
    const { dir, log } = this.#options;
    if (seen === undefined) {
      this.#read.delete(file);
      log.info({ file }, 'trusted documents removed');
      return this.#releases.delete(file);
    }
    this.#read.set(file, seen);
    try {
      if (!this.#releases.has(file) && this.#releases.size >= maxFiles)
        throw new DocumentFilesError([
          `${file} exceeds the limit of ${maxFiles} files; remove releases that are no longer used`,
        ]);
      const release = await readRelease(dir, file);
      this.#releases.set(file, release);
      log.info({ file, documents: release.documents.length }, 'trusted documents loaded');
      return true;
    } catch (error) {
      const problems = error instanceof DocumentFilesError ? error.problems : [String(error)];
      log.error({ file, problems }, 'trusted documents file invalid; keeping current documents');
      return false;
    }
  }
}

const fileOf = ({ client, version }: Release): string => path.join(client, `${version}.json`);

/** The fingerprint of each file, by its name; a file with another fingerprint has changed. */
async function fingerprints(dir: string): Promise<Map<string, string>> {
  const files = (await filesIn(dir)).slice(0, 2 * maxFiles);
  const seen = await Promise.all(
    files.map(async (file) => ({ file, found: await stat(path.join(dir, file)).catch(() => null) })),
  );
  return new Map(
    seen.flatMap(({ file, found }) => (found ? [[file, `${found.ino} ${found.size} ${found.mtimeMs}`] as const] : [])),
  );
}

/** Lists `<client>/<version>.json`, sorted; skips hidden and other files. */
async function filesIn(dir: string): Promise<string[]> {
  const clients = (await entriesIn(dir)).filter((entry) => entry.isDirectory() || entry.isSymbolicLink());
  const files = await Promise.all(
    clients.map(async ({ name }) => {
      const inside = await entriesIn(path.join(dir, name)).catch(() => []);
      return inside
        .filter((entry) => entry.name.endsWith('.json') && !entry.isDirectory())
        .map((entry) => path.join(name, entry.name));
    }),
  );
  return files.flat().sort();
}

async function entriesIn(dir: string) {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith('.'));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** @throws DocumentFilesError that names every invalid entry of the file */
async function readRelease(dir: string, file: string): Promise<Release> {
  const { dir: client, name: version } = path.parse(file);
  const { documents, problems } = readManifest(await readJson(dir, file));
  if (problems.length === 0) return { client, version, documents };
  const reported = problems
    .slice(0, maxReportedProblems)
    .map(({ entry, message }) => `${file}${entry === '' ? '' : `, ${entry}`}: ${message}`);
  throw new DocumentFilesError(
    problems.length > reported.length
      ? [...reported, `${file}: and ${problems.length - reported.length} more`]
      : reported,
  );
}

async function readJson(dir: string, file: string): Promise<unknown> {
  const whole = path.join(dir, file);
  let text: string;
  try {
    if ((await stat(whole)).size > maxFileBytes)
      throw new DocumentFilesError([`${file} is larger than ${maxFileBytes} bytes`]);
    text = await readFile(whole, 'utf8');
  } catch (error) {
    if (error instanceof DocumentFilesError) throw error;
    throw new DocumentFilesError([`${file} cannot be read (${systemErrorCode(error) ?? String(error)})`]);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DocumentFilesError([`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

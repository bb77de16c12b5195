import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../shared/error-code.js';
import type { Logger } from '../shared/logger.js';
import { readManifest } from './manifest.js';
import type { Release } from './trusted-documents.js';

/** Files of documents that cannot be used; `problems` names each file, the entry in it, what is wrong and what would be right. */
export class DocumentFilesError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(['The trusted documents are not usable:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
    this.name = 'DocumentFilesError';
  }
}

const maxFiles = 500;
const maxFileBytes = 16_000_000;
/** Of one file. */
const maxToldProblems = 10;

/**
 * Reads `<dir>/<client>/<version>.json`, the manifest of a release each. A folder that is not there holds none.
 * @throws DocumentFilesError that names every faulty file and entry
 */
export async function readDocumentFiles(dir: string): Promise<Release[]> {
  const files = await filesIn(dir);
  if (files.length > maxFiles) throw new DocumentFilesError([`${dir} holds ${files.length} files; ${maxFiles} are the most: remove the releases that nobody uses any more`]);
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
  /** Milliseconds from one look to the next. */
  pollMs: number;
  /** Called with all releases each time they have changed. */
  changed: (releases: readonly Release[]) => void;
  log: Logger;
}

/**
 * Follows the files of trusted documents while the gateway serves, by looking: notifications of the file system do not come from
 * network drives and mounted volumes. A file that is being written is left alone until two looks find it the same. One that
 * is broken leaves what its release had; so does a folder that is gone.
 */
export class DocumentFiles {
  readonly #options: DocumentFilesOptions;
  readonly #stop = new AbortController();
  readonly #releases = new Map<string, Release>();
  /** As each file was when it was taken up, or found broken. */
  readonly #taken = new Map<string, string>();
  #before: ReadonlyMap<string, string> = new Map();
  #isReadable = true;
  #watching: Promise<void> = Promise.resolve();

  constructor(options: DocumentFilesOptions) {
    this.#options = options;
  }

  /**
   * Reads all files, and follows them from now on.
   * @throws DocumentFilesError that names every faulty file and entry
   */
  async ready(): Promise<void> {
    const { dir, changed } = this.#options;
    this.#before = await glance(dir);
    const releases = await readDocumentFiles(dir);
    for (const [file, seen] of this.#before) this.#taken.set(file, seen);
    for (const release of releases) this.#releases.set(fileOf(release), release);
    changed(releases);
    this.#watching = this.#watch();
  }

  /** Ends once what is being looked at is done with. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const slept = (): Promise<boolean> => sleep(this.#options.pollMs, true, { signal: this.#stop.signal, ref: false }).catch(() => false);
    while (await slept()) await this.#look();
  }

  async #look(): Promise<void> {
    const { dir, log, changed } = this.#options;
    let now: ReadonlyMap<string, string>;
    try {
      now = await glance(dir);
      if (this.#taken.size > 0 && now.size === 0) await stat(dir);
    } catch (error) {
      // A volume that is not mounted is no order to trust nothing.
      if (this.#isReadable) log.error({ err: error }, 'the folder of trusted documents cannot be read; what was trusted still is');
      this.#isReadable = false;
      return;
    }
    if (!this.#isReadable) log.info({ dir }, 'the folder of trusted documents can be read again');
    this.#isReadable = true;
    const before = this.#before;
    this.#before = now;
    let hasChanged = false;
    for (const file of new Set([...this.#taken.keys(), ...now.keys()])) {
      const seen = now.get(file);
      if (seen === this.#taken.get(file) || seen !== before.get(file)) continue;
      if (await this.#takeUp(file, seen)) hasChanged = true;
    }
    if (hasChanged) changed([...this.#releases.values()]);
  }

  /** Whether the file's release has changed. */
  async #takeUp(file: string, seen: string | undefined): Promise<boolean> {
    const { dir, log } = this.#options;
    if (seen === undefined) {
      this.#taken.delete(file);
      log.info({ file }, 'trusted documents were removed');
      return this.#releases.delete(file);
    }
    this.#taken.set(file, seen);
    try {
      if (!this.#releases.has(file) && this.#releases.size >= maxFiles) throw new DocumentFilesError([`${file} is one file too many; ${maxFiles} are the most`]);
      const release = await readRelease(dir, file);
      this.#releases.set(file, release);
      log.info({ file, documents: release.documents.length }, 'trusted documents were taken up');
      return true;
    } catch (error) {
      const problems = error instanceof DocumentFilesError ? error.problems : [String(error)];
      log.error({ file, problems }, 'a file of trusted documents is broken; what its release had is still trusted');
      return false;
    }
  }
}

const fileOf = ({ client, version }: Release): string => path.join(client, `${version}.json`);

/** How each file looks from outside, by its name: another text means that it has changed. */
async function glance(dir: string): Promise<Map<string, string>> {
  const files = (await filesIn(dir)).slice(0, 2 * maxFiles);
  const seen = await Promise.all(files.map(async (file) => ({ file, found: await stat(path.join(dir, file)).catch(() => null) })));
  return new Map(seen.flatMap(({ file, found }) => (found ? [[file, `${found.ino} ${found.size} ${found.mtimeMs}`] as const] : [])));
}

/** `<client>/<version>.json`, in order; hidden ones and others are not looked at. */
async function filesIn(dir: string): Promise<string[]> {
  const clients = (await entriesIn(dir)).filter((entry) => entry.isDirectory() || entry.isSymbolicLink());
  const files = await Promise.all(
    clients.map(async ({ name }) => {
      const inside = await entriesIn(path.join(dir, name)).catch(() => []);
      return inside.filter((entry) => entry.name.endsWith('.json') && !entry.isDirectory()).map((entry) => path.join(name, entry.name));
    }),
  );
  return files.flat().sort();
}

async function entriesIn(dir: string) {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith('.'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** @throws DocumentFilesError that names every faulty entry of the file */
async function readRelease(dir: string, file: string): Promise<Release> {
  const { dir: client, name: version } = path.parse(file);
  const { documents, problems } = readManifest(await readJson(dir, file));
  if (problems.length === 0) return { client, version, documents };
  const told = problems.slice(0, maxToldProblems).map(({ entry, message }) => `${file}${entry === '' ? '' : `, ${entry}`}: ${message}`);
  throw new DocumentFilesError(problems.length > told.length ? [...told, `${file}: and ${problems.length - told.length} more`] : told);
}

async function readJson(dir: string, file: string): Promise<unknown> {
  const whole = path.join(dir, file);
  let text: string;
  try {
    if ((await stat(whole)).size > maxFileBytes) throw new DocumentFilesError([`${file} is larger than ${maxFileBytes} bytes`]);
    text = await readFile(whole, 'utf8');
  } catch (error) {
    if (error instanceof DocumentFilesError) throw error;
    throw new DocumentFilesError([`${file} cannot be read (${codeOf(error) ?? String(error)})`]);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DocumentFilesError([`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

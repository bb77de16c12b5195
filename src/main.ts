import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { explain } from './shared/errors.js';

const neededMajor = 24;
const parentAtStart = process.ppid;

/** Who passes a signal on to a process that got it as well, as npm does with Ctrl-C, does so within this. */
const echoMs = 300;

/** Starts the gateway and stops it on SIGTERM or SIGINT, or where an error was not caught. What cannot start says why, in one message, and exits 1. */
async function main(): Promise<void> {
  if (Number(process.versions.node.split('.')[0]) < neededMajor) {
    fail(`Auspex needs Node ${neededMajor} or newer; this is Node ${process.versions.node}. Install it from https://nodejs.org.`);
  }
  if (existsSync('.env')) process.loadEnvFile('.env');

  // Loaded only now: what follows does not parse on an older Node. Telemetry comes first, so that all parts know whether they are traced.
  const { startTelemetry } = await import('./telemetry.js');
  const telemetry = await startTelemetry(process.env);
  const [{ readConfig }, { createLogger }] = await Promise.all([import('./config.js'), import('./shared/logger.js')]);
  const config = readConfig(process.env);
  const log = createLogger(config.logLevel);
  telemetry.reportTo(log);
  const { stop, hurry } = signals();
  let exitCode = 0;
  // An error that nobody caught, or a rejection, leaves a process whose state nobody knows: what is under way is finished, and another process must begin.
  process.on('uncaughtException', (error, origin) => {
    log.fatal({ err: error, origin }, 'an error was not caught');
    exitCode = 1;
    stop.abort();
  });
  stop.signal.addEventListener('abort', () => {
    log.info({ signal: typeof stop.signal.reason === 'string' ? stop.signal.reason : null }, 'stopping');
    setTimeout(() => {
      log.fatal('the shutdown took too long');
      process.exit(1);
    }, config.shutdownSeconds * 1000).unref();
  });

  const { openApp } = await import('./app.js');
  const app = await openApp(config, log, stop.signal).catch((error: unknown) => {
    if (error === stop.signal.reason) return null;
    throw error;
  });
  if (app) {
    // Said last: whoever reads it may send a signal at once.
    if (config.isProduction) log.info({ url: app.url, dataDir: app.dataDir, demoAccounts: app.demo?.emails }, 'ready');
    else process.stdout.write(`${readyLine(app)}\n`);
    await aborted(stop.signal);
    app.drain();
    await Promise.race([sleep(config.shutdownDelaySeconds * 1000), aborted(hurry)]);
    await app.close().catch((error: unknown) => {
      log.fatal({ err: error }, 'the shutdown failed');
      process.exit(1);
    });
  }
  await telemetry.close();
  process.exit(exitCode);
}

/** The first SIGTERM or SIGINT stops the gateway; the second, of someone who does not want to wait, ends what only waits. */
function signals(): { stop: AbortController; hurry: AbortSignal } {
  const [stop, hurry] = [new AbortController(), new AbortController()];
  let stoppedAt = 0;
  const take = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      stoppedAt = performance.now();
      stop.abort(signal);
    } else if (performance.now() - stoppedAt > echoMs) hurry.abort();
  };
  process.on('SIGTERM', take);
  process.on('SIGINT', take);
  if (process.env.npm_lifecycle_event !== undefined) stopWithParent(() => stop.abort('SIGTERM'));
  return { stop, hurry: hurry.signal };
}

/** A signal to npm ends the shell that it runs its scripts in, which does not pass it on: without the shell, the gateway stops too. */
function stopWithParent(stop: () => void): void {
  setInterval(() => {
    if (process.ppid !== parentAtStart) stop();
  }, 200).unref();
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

function readyLine({ url, graphiqlUrl, dataDir, demo }: { url: string; graphiqlUrl: string | null; dataDir: string; demo: { emails: readonly string[]; password: string } | null }): string {
  const accounts = demo ? ` | demo accounts ${demo.emails.join(', ')}, password ${demo.password}` : '';
  const ide = graphiqlUrl === null ? '' : ` | GraphiQL at ${graphiqlUrl}`;
  return `Auspex is ready at ${url}${ide}${accounts} | data in ${dataDir}`;
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

main().catch((error: unknown) => fail(explain(error)));

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fatalMessage, isForOperators, OperatorError } from './errors/operator-error.js';

const usage = `Usage: npm start

Starts the gateway. Environment variables configure it, also those of a file .env in the working directory:
docs/configuration.md.
`;

const minimumNodeMajor = 24;
const parentAtStart = process.ppid;

/** npm forwards a signal that the process may have received as well, as with Ctrl-C; within this time it is the same one. */
const forwardedSignalMs = 300;

const longestTimerMs = 2 ** 31 - 1;

/** Starts the gateway and stops it on SIGTERM, SIGINT or an uncaught exception. */
async function main(): Promise<void> {
  if (Number(process.versions.node.split('.')[0]) < minimumNodeMajor) {
    throw new OperatorError(
      `Auspex requires Node ${minimumNodeMajor} or newer; this is Node ${process.versions.node}. Install it from https://nodejs.org.`,
    );
  }
  // The process ends by `process.exit` alone. Node.js would end it in the middle, with status 0, when nothing else keeps it.
  setInterval(() => undefined, longestTimerMs);
  const { parseCli } = await import('./scripts/lib/cli.js');
  parseCli(usage, { options: {} });
  if (existsSync('.env')) process.loadEnvFile('.env');

  // Imported only now: older versions of Node cannot parse these modules. Telemetry comes first because the others check for it.
  const { startTelemetry } = await import('./telemetry/sdk.js');
  const telemetry = await startTelemetry(process.env);
  const [{ readConfig }, { unknownVariables }, { createProcessLogger }] = await Promise.all([
    import('./config/config.js'),
    import('./config/unknown-variables.js'),
    import('./telemetry/logger.js'),
  ]);
  const config = readConfig(process.env);
  const log = createProcessLogger(config.runtime.logLevel);
  for (const problem of unknownVariables(process.env)) log.warn(problem);
  telemetry.reportTo(log);
  // Node.js prints warnings as text; every line of a log must be JSON.
  process.removeAllListeners('warning').on('warning', (warning) => log.warn({ err: warning }, 'Node.js warning'));
  const { stop, forceStop } = signals();
  let exitCode = 0;
  // The state of the process is undefined now: it drains and exits, and its supervisor starts another.
  process.on('uncaughtException', (error, origin) => {
    log.fatal({ err: error, origin }, 'uncaught exception');
    exitCode = 1;
    stop.abort();
  });
  stop.signal.addEventListener('abort', () => {
    log.info({ signal: typeof stop.signal.reason === 'string' ? stop.signal.reason : null }, 'stopping');
    setTimeout(() => {
      log.fatal('shutdown timed out');
      process.exit(1);
    }, config.runtime.shutdownSeconds * 1000).unref();
  });

  const [{ openApp }, { readyMessage }, { returnIdleMemory }] = await Promise.all([
    import('./app/open-app.js'),
    import('./app/ready-message.js'),
    import('./app/idle-memory.js'),
  ]);
  const onProgress = (step: string): void => {
    if (config.isProduction) log.info(step);
    else process.stdout.write(`${step}...\n`);
  };
  const app = await openApp(config, log, { signal: stop.signal, onProgress }).catch((error: unknown) => {
    if (error === stop.signal.reason) return null;
    throw error;
  });
  if (app) {
    const [demo, hasAccounts] = [await app.demo(), await app.hasAccounts()];
    // The last step of the start: readers of this message may send a signal immediately.
    if (config.isProduction) {
      const demoAccounts = demo?.accounts.map(({ email }) => email);
      log.info({ url: app.url, dataDir: app.dataDir, demoAccounts }, 'ready');
    } else process.stdout.write(readyMessage({ ...app, databaseUrl: config.database.url, demo, hasAccounts }));
    returnIdleMemory();
    await aborted(stop.signal);
    app.drain();
    await Promise.race([sleep(config.runtime.shutdownDelaySeconds * 1000), aborted(forceStop)]);
    await app.close().catch((error: unknown) => {
      log.fatal({ err: error }, 'shutdown failed');
      process.exit(1);
    });
  }
  await telemetry.close();
  log.info({ exitCode }, 'stopped');
  process.exit(exitCode);
}

/** The first SIGTERM or SIGINT stops the gateway; a second one skips the shutdown delay. */
function signals(): { stop: AbortController; forceStop: AbortSignal } {
  const [stop, forceStop] = [new AbortController(), new AbortController()];
  let stoppedAt = 0;
  const receive = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      stoppedAt = performance.now();
      stop.abort(signal);
    } else if (performance.now() - stoppedAt > forwardedSignalMs) forceStop.abort();
  };
  process.on('SIGTERM', receive);
  process.on('SIGINT', receive);
  if (process.env.npm_lifecycle_event !== undefined) stopWithParent(() => stop.abort('SIGTERM'));
  return { stop, forceStop: forceStop.signal };
}

/** npm runs its scripts in a shell that exits on a signal without forwarding it: the gateway stops when its parent exits. */
function stopWithParent(stop: () => void): void {
  setInterval(() => {
    if (process.ppid !== parentAtStart) stop();
  }, 200).unref();
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** Reports why the gateway did not start, in production as a log line and otherwise as text, and exits 1. */
async function failStart(error: unknown): Promise<never> {
  if (process.env.NODE_ENV === 'production') {
    const { createLogger } = await import('./telemetry/logger.js');
    const isExplained = error instanceof Error && isForOperators(error);
    createLogger('fatal').fatal(isExplained ? { reason: error.message } : { err: error }, 'start failed');
  } else {
    const { withSourcePositions } = await import('./telemetry/source-positions.js');
    process.stderr.write(`${withSourcePositions(fatalMessage(error))}\n`);
  }
  process.exit(1);
}

main().catch(failStart);

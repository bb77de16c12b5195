import { existsSync } from 'node:fs';
import { explain } from './shared/errors.js';

const neededMajor = 24;
const parentAtStart = process.ppid;

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
  const { openApp } = await import('./app.js');
  const app = await openApp(config, log);

  let isStopping = false;
  const stop = (signal: NodeJS.Signals | null, exitCode = 0): void => {
    if (isStopping) return;
    isStopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.fatal('the shutdown took too long');
      process.exit(1);
    }, config.shutdownSeconds * 1000).unref();
    app.close().then(() => telemetry.close()).then(
      () => process.exit(exitCode),
      (error: unknown) => {
        log.fatal({ err: error }, 'the shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', (signal) => stop(signal));
  process.on('SIGINT', (signal) => stop(signal));
  // An error that nobody caught, or a rejection, leaves a process whose state nobody knows: what is under way is finished, and another process must begin.
  process.on('uncaughtException', (error, origin) => {
    log.fatal({ err: error, origin }, 'an error was not caught');
    stop(null, 1);
  });
  if (process.env.npm_lifecycle_event !== undefined) stopWithParent(() => stop('SIGTERM'));

  // Said last: whoever reads it may send a signal at once.
  if (config.isProduction) log.info({ url: app.url, dataDir: app.dataDir, demoAccounts: app.demo?.emails }, 'ready');
  else process.stdout.write(`${readyLine(app)}\n`);
}

/** A signal to npm ends the shell that it runs its scripts in, which does not pass it on: without the shell, the gateway stops too. */
function stopWithParent(stop: () => void): void {
  setInterval(() => {
    if (process.ppid !== parentAtStart) stop();
  }, 200).unref();
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

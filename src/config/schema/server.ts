import { z } from 'zod';
import {
  boolean,
  choice,
  count,
  hosts,
  integer,
  loopbackOrHttpsUrl,
  origins,
  text,
  variable,
  type DefaultsContext,
} from '../variable.js';

export const runtime = ({ isProduction, shutdownSeconds }: DefaultsContext) =>
  z
    .object({
      environment: variable('NODE_ENV', choice('development', 'production', 'test'), {
        default: 'development',
        description: 'Production requires secrets, rejects unsafe settings and closes what development opens.',
      }),
      logLevel: variable('LOG_LEVEL', choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), {
        default: isProduction ? 'info' : 'warn',
        description:
          'Lowest level that is logged. If absent, changes of models are logged from `info` in development too.',
      }),
      dataDir: variable('DATA_DIR', text('directory'), {
        description:
          'Directory of the embedded database and of generated secrets. If absent: `.data` in the project, or a directory under /var/lib/auspex if the process runs as root.',
      }),
      shutdownDelaySeconds: variable('SHUTDOWN_DELAY_SECONDS', integer(0, 600), {
        default: isProduction ? Math.min(5, Math.floor(shutdownSeconds / 4)) : 0,
        unit: 'seconds',
        description:
          'Time during which a stopping gateway is unready but still serves requests, so that load balancers notice. By default at most a quarter of `SHUTDOWN_SECONDS`.',
      }),
      shutdownSeconds: variable('SHUTDOWN_SECONDS', integer(1, 600), {
        default: 20,
        unit: 'seconds',
        description: 'Time limit of the whole shutdown, including `SHUTDOWN_DELAY_SECONDS`.',
      }),
    })
    .describe('Process');

/** Apollo Sandbox, and frontends on this machine. */
const developmentOrigins = [
  'https://studio.apollographql.com',
  ...['http', 'https'].flatMap((scheme) => [`${scheme}://localhost:*`, `${scheme}://127.0.0.1:*`]),
];

export const http = ({ isProduction }: DefaultsContext) =>
  z
    .object({
      host: variable('HOST', text('host name or address'), {
        default: isProduction ? '0.0.0.0' : 'localhost',
        description: 'Address to listen on.',
      }),
      port: variable('PORT', integer(0, 65_535), {
        default: 4000,
        description: 'Port of the gateway. 0 selects a free port.',
      }),
      metricsPort: variable('METRICS_PORT', integer(0, 65_535), {
        description: 'Separate port for `/metrics`. If absent: `PORT`, and in production metrics are not served.',
      }),
      trustedProxies: variable(
        'TRUST_PROXY',
        count(10, 'must be true, false, or the number of proxies, from 0 to 10'),
        {
          default: 0,
          description:
            'Number of reverse proxies that append the client address to `X-Forwarded-For` or `Forwarded`; true is 1, false is 0.',
        },
      ),
      corsOrigins: variable('CORS_ORIGINS', origins, {
        default: isProduction ? [] : developmentOrigins,
        description: 'Origins whose pages may send requests from browsers.',
      }),
      publicUrl: variable('PUBLIC_URL', loopbackOrHttpsUrl, {
        description:
          'URL at which browsers reach the gateway, with the path prefix of a proxy. Links in messages start with it. Register `<PUBLIC_URL>/sign-in/callback` at the OpenID provider. Required by `OIDC_CLIENT_ID`, and in production by `SMTP_URL`. If absent, links start with `http://localhost:<PORT>` in development, and are not created in production.',
      }),
      allowedHosts: variable('ALLOWED_HOSTS', hosts, {
        default: [],
        description:
          'Hosts that requests may name in `Host` and, behind trusted proxies, in forwarded headers. If absent: any in production. In development `localhost`, `*.localhost`, `127.0.0.1` and `[::1]` are always allowed, so that no other name reaches the gateway by DNS rebinding.',
      }),
      isCompressing: variable('COMPRESSION', boolean, {
        default: true,
        description: 'Compress responses of 1 KiB and more with brotli or gzip.',
      }),
      redirectsToHttps: variable('HTTPS_REDIRECT', boolean, {
        default: false,
        description: 'Redirect plain HTTP to HTTPS. Requires `TRUST_PROXY`.',
      }),
      maxBodyBytes: variable('MAX_BODY_BYTES', integer(1024, 104_857_600), {
        default: 1_048_576,
        unit: 'bytes',
        description: 'Maximum size of a request body.',
      }),
      maxBufferedBytes: variable('MAX_BUFFERED_RESPONSE_BYTES', integer(1_048_576, 17_179_869_184), {
        default: 67_108_864,
        unit: 'bytes',
        description:
          'Maximum size of responses that wait for slow readers, in this process. Beyond it the connections that wait longest are cut.',
      }),
      maxConnections: variable('MAX_CONNECTIONS', integer(1, 1_000_000), {
        default: 15_000,
        description:
          'Maximum number of open connections, with WebSockets. Fewer if the limit of open files is lower: descriptors stay free for files and other servers.',
      }),
      maxConnectionsPerAddress: variable('MAX_CONNECTIONS_PER_ADDRESS', integer(0, 1_000_000), {
        default: 1000,
        description:
          'Maximum number of open connections of an address; behind proxies, of requests in flight and WebSockets. 0 disables the limit.',
      }),
      maxPendingSockets: variable('MAX_PENDING_SOCKETS', integer(1, 1_000_000), {
        default: 1000,
        description:
          'Maximum number of WebSockets that have not signed in yet; at most a tenth of them from one address.',
      }),
      hasServerTiming: variable('SERVER_TIMING', boolean, {
        default: !isProduction,
        description: 'Send the `Server-Timing` header, with time and number of SQL, cache and model calls.',
      }),
    })
    .describe('HTTP');

export const rateLimits = () =>
  z
    .object({
      windowSeconds: variable('RATE_LIMIT_WINDOW_SECONDS', integer(1, 86_400), {
        default: 60,
        unit: 'seconds',
        description: 'Length of the window in which requests are counted.',
      }),
      perViewer: variable('RATE_LIMIT_PER_VIEWER', integer(0, 100_000_000), {
        default: 6000,
        description: 'Requests per window of a user, by sessions and API keys together. 0 disables the limit.',
      }),
      perAddress: variable('RATE_LIMIT_PER_ADDRESS', integer(0, 100_000_000), {
        default: 1200,
        description: 'Requests per window of an address, without a credential. 0 disables the limit.',
      }),
      rowsPerViewer: variable('RATE_LIMIT_PREDICTION_ROWS', integer(0, 1_000_000_000), {
        default: 60_000,
        description: 'Prediction rows per window of a user, by sessions and API keys together. 0 disables the limit.',
      }),
    })
    .describe('Rate limits');

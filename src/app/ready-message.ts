import { addressOf } from '../database/database-address.js';
import type { DemoAccess } from '../domains/user/demo-accounts.js';

interface ReadyApp {
  url: string;
  graphiqlUrl: string | null;
  metricsUrl: string | null;
  dataDir: string;
  /** Undefined: an embedded PostgreSQL in the data folder. */
  databaseUrl: string | undefined;
  /** Null if there are no demo accounts. */
  demo: DemoAccess | null;
  hasAccounts: boolean;
}

/** What development prints once the gateway is ready: four lines, the first of which names the page to open. */
export function readyMessage(app: ReadyApp): string {
  const { url, graphiqlUrl, metricsUrl } = app;
  const details = [
    ['GraphQL', metricsUrl === null ? url : `${url} (metrics: ${metricsUrl})`],
    ['Accounts', accountsOf(app)],
    app.databaseUrl === undefined ? ['Data', app.dataDir] : ['Database', nameOf(app.databaseUrl)],
  ].map(([label = '', value = '']) => `  ${label.padEnd(8)}  ${value}`);
  const first = graphiqlUrl === null ? 'Auspex is ready.' : `Auspex is ready. Open GraphiQL at ${graphiqlUrl}`;
  return `${[first, ...details].join('\n')}\n`;
}

function accountsOf({ demo, hasAccounts }: ReadyApp): string {
  if (demo) return `${demo.accounts.map(({ email }) => email).join(', ')}; password ${demo.password}`;
  return hasAccounts ? 'those of the database' : 'none yet; create one: npm run admin -- you@example.com';
}

/** The name and server of a database, without credentials. */
function nameOf(databaseUrl: string): string {
  const { database, server } = addressOf(databaseUrl);
  return `${database} at ${server}`;
}

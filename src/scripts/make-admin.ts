import { AuditLog, scriptCaller } from '../audit/audit-log.js';
import { migrate } from '../database/migrate/migrate.js';
import { makeAdministrator } from '../domains/user/user.service.js';
import { email } from '../errors/input-validation.js';
import { failUsage, parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const usage = `Usage: npm run admin -- <email>

Makes an account an administrator. Creates the account, and prints its password, if it does not exist.
`;

const { positionals } = parseCli(usage, { options: {}, maxPositionals: 1 });
const address = email.safeParse(positionals[0] ?? '');
if (!address.success) failUsage(usage, 'Name one e-mail address, such as: npm run admin -- you@example.com');
await withDatabase(async ({ orm, url, log }) => {
  await migrate(orm, url, { log });
  // The script prints its result itself.
  const audit = new AuditLog({ orm, log: log.child({}, { level: 'warn' }) });
  const { password } = await makeAdministrator(orm.em.fork(), address.data, audit.by(scriptCaller('admin')));
  await audit.close();
  process.stdout.write(
    password === null
      ? `${address.data} is an administrator now; the password is unchanged.\n`
      : `${address.data} is an administrator now. Password, shown only once: ${password}\n`,
  );
});

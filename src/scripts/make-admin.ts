import { AuditLog, scriptCaller } from '../audit/audit-log.js';
import { migrate } from '../database/migrate/migrate.js';
import { makeAdministrator, resetMfaOf } from '../domains/user/user.service.js';
import { OperatorError } from '../errors/operator-error.js';
import { email } from '../errors/input-validation.js';
import { failUsage, parseCli } from './lib/cli.js';
import { withDatabase } from './lib/with-database.js';

const usage = `Usage: npm run admin -- <email> [--keep-password | --reset-mfa]

Makes an account an administrator, and prints its new password. Creates the account if it does not exist. The sessions and API keys of
an existing account end.

  --keep-password  an existing account keeps its password, sessions and API keys
  --reset-mfa      remove MFA from an existing account and end its sessions; change nothing else
`;

const { positionals, values } = parseCli(usage, {
  options: { 'keep-password': { type: 'boolean' }, 'reset-mfa': { type: 'boolean' } },
  maxPositionals: 1,
});
const address = email.safeParse(positionals[0] ?? '');
if (!address.success) failUsage(usage, 'Name one e-mail address, such as: npm run admin -- you@example.com');
await withDatabase(async ({ orm, url, log }) => {
  await migrate(orm, url, { log });
  // The script prints its result itself.
  const audit = new AuditLog({ orm, log: log.child({}, { level: 'warn' }) });
  const keepsPassword = values['keep-password'] ?? false;
  const record = audit.by(scriptCaller('admin'));
  if (values['reset-mfa']) {
    const isReset = await resetMfaOf(orm.em.fork(), address.data, record);
    await audit.close();
    if (!isReset) throw new OperatorError(`There is no account ${address.data}.`);
    process.stdout.write(`MFA of ${address.data} is removed; the password is unchanged.\n`);
    return;
  }
  const { password } = await makeAdministrator(orm.em.fork(), address.data, { keepsPassword }, record);
  await audit.close();
  process.stdout.write(
    password === null
      ? `${address.data} is an administrator now; the password is unchanged.\n`
      : `${address.data} is an administrator now. Password, shown only once: ${password}\n`,
  );
});

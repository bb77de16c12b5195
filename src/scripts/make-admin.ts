import { migrate } from '../database/migrate.js';
import { makeAdministrator } from '../domains/user/user.service.js';
import { email } from '../shared/validation.js';
import { withDatabase } from './environment.js';

/** `npm run admin -- you@example.com`: makes somebody an administrator, with an account and a password where there is none. */
const address = email.safeParse(process.argv[2] ?? '');
if (!address.success || process.argv.length > 3) {
  process.stderr.write('Name one e-mail address, such as: npm run admin -- you@example.com\n');
  process.exit(1);
}
await withDatabase(async ({ orm, url }) => {
  await migrate(orm, url);
  const { password } = await makeAdministrator(orm.em.fork(), address.data);
  const how = password === null ? 'signs in as before' : `signs in with the password ${password}, which is told only now`;
  process.stdout.write(`${address.data} is an administrator, and ${how}.\n`);
});

import { hashPassword, verifyPassword } from '../../auth/password.js';
import { Role } from '../../auth/viewer.js';
import type { Database } from '../../database/tables.js';

/** The accounts of the demo data: an ADMIN, a MANAGER and a USER. The password is published. */
export const demoAccounts = {
  password: 'auspex-demo-2026',
  emails: ['admin@example.com', 'manager@example.com', 'user@example.com'],
} as const;

const [admin, manager, user] = demoAccounts.emails;

/** The demo accounts as `loadDemoData` creates them. */
export const newDemoAccounts = {
  admin: { email: admin, role: Role.ADMIN },
  manager: { email: manager, role: Role.MANAGER },
  user: { email: user, role: Role.USER },
  hashPassword: () => hashPassword(demoAccounts.password),
};

/** Whether the database has any account, which keeps demo data from being loaded. */
export const hasAccounts = async (db: Database): Promise<boolean> =>
  (await db.selectFrom('user_account').select('id').limit(1).executeTakeFirst()) !== undefined;

/** An account that accepts the published password. */
export interface DemoAccount {
  email: string;
  role: Role;
}

/** Demo accounts that visitors may use, and their published password. */
export interface DemoAccess {
  accounts: readonly DemoAccount[];
  password: string;
}

/** @returns active demo accounts that still accept the published password, by role from USER to ADMIN */
export async function findOpenDemoAccounts(db: Database): Promise<DemoAccount[]> {
  const users = await db
    .selectFrom('user_account')
    .select(['email', 'role', 'password_hash'])
    .where('email', 'in', demoAccounts.emails)
    .where('is_active', '=', true)
    .orderBy('email', 'desc')
    .execute();
  const isOpen = await Promise.all(users.map((user) => verifyPassword(demoAccounts.password, user.password_hash)));
  return users.filter((_user, position) => isOpen[position]).map(({ email, role }) => ({ email, role }));
}

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { migrate } from '../../src/database/migrate/migrate.js';
import { databaseOf, openOrm } from '../../src/database/orm.js';
import type { Database } from '../../src/database/tables.js';
import { seedEmployees } from '../../packages/demo-data/src/index.ts';
import { demoAccounts, findOpenDemoAccounts } from '../../src/domains/user/demo-accounts.js';
import { loadDemoAccounts } from '../support/demo-data.js';
import { domains } from '../../src/domains/index.js';
import { createTestDatabase } from '../support/database.js';

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const entities = domains.flatMap((domain) => domain.entities);

async function prepare(url: string): Promise<void> {
  const orm = openOrm({ url, entities, poolSize: 2 });
  try {
    await migrate(orm, url);
  } finally {
    await orm.close();
  }
}

/** Creates a database with empty tables. */
async function emptyDatabase(): Promise<Database> {
  const database = await createTestDatabase({ name: 'migrated', run: prepare });
  const orm = openOrm({ url: database.url, entities, poolSize: 6 });
  opened.push(async () => {
    await orm.close();
    await database.drop();
  });
  return databaseOf(orm);
}

const employeesOf = (db: Database) => db.selectFrom('employee').selectAll().orderBy('id').execute();
const departmentsOf = (db: Database) => db.selectFrom('department').selectAll().orderBy('id').execute();
const usersOf = (db: Database) =>
  db.selectFrom('user_account').select(['id', 'email', 'role', 'employee_id', 'is_active']).orderBy('email').execute();

describe('the demo data', () => {
  it('is identical in every database', async () => {
    const [one, two] = [await emptyDatabase(), await emptyDatabase()];
    await loadDemoAccounts(one);
    await loadDemoAccounts(two);
    const employees = await employeesOf(one);
    expect(employees).toHaveLength(240);
    expect(await employeesOf(two)).toEqual(employees);
    expect(await departmentsOf(two)).toEqual(await departmentsOf(one));
    expect(await usersOf(two)).toEqual(await usersOf(one));
  });

  it('is valid: one head, a manager for everyone else, and all values within their limits', async () => {
    const db = await emptyDatabase();
    await loadDemoAccounts(db);
    const employees = await employeesOf(db);
    const ids = new Set(employees.map((employee) => employee.id));
    expect(employees.filter((employee) => employee.manager_id === null)).toHaveLength(1);
    expect(employees.every((employee) => employee.manager_id === null || ids.has(employee.manager_id))).toBe(true);
    expect(
      employees.every(
        ({ age, job_level, salary }) => age >= 16 && age <= 100 && job_level >= 1 && job_level <= 5 && salary > 0,
      ),
    ).toBe(true);
    expect(employees.every(({ hired_on }) => hired_on < '2026-01-05' && hired_on > '1990-01-01')).toBe(true);
    expect(employees.every(({ email }) => email === email.toLowerCase())).toBe(true);
    expect(new Set(employees.map((employee) => employee.department_id)).size).toBe(8);
  });

  it('includes the three accounts: an administrator, a manager with reports, and a user who is one of them', async () => {
    const db = await emptyDatabase();
    await loadDemoAccounts(db);
    const [admin, manager, user] = await usersOf(db);
    expect([admin?.role, manager?.role, user?.role]).toEqual(['ADMIN', 'MANAGER', 'USER']);
    expect(admin?.employee_id).toBeNull();
    const own = await db
      .selectFrom('employee')
      .selectAll()
      .where('id', '=', user?.employee_id ?? '')
      .executeTakeFirstOrThrow();
    expect(own.manager_id).toBe(manager?.employee_id);
    expect(await findOpenDemoAccounts(db)).toEqual([
      { email: 'user@example.com', role: 'USER' },
      { email: 'manager@example.com', role: 'MANAGER' },
      { email: 'admin@example.com', role: 'ADMIN' },
    ]);
  });

  it('does not change a database with an account', async () => {
    const db = await emptyDatabase();
    await loadDemoAccounts(db);
    await db.deleteFrom('user_account').where('email', '<>', 'admin@example.com').execute();
    await db.updateTable('user_account').set({ is_active: false }).execute();
    await db.updateTable('employee').set({ name: 'Changed' }).execute();
    await loadDemoAccounts(db);
    expect((await usersOf(db)).map((user) => user.email)).toEqual(['admin@example.com']);
    expect((await employeesOf(db)).every((employee) => employee.name === 'Changed')).toBe(true);
    expect(await findOpenDemoAccounts(db)).toEqual([]);
  });

  it('is added to a database that was seeded without accounts', async () => {
    const db = await emptyDatabase();
    await seedEmployees(db, 50);
    const [seeded, departments] = [await employeesOf(db), await departmentsOf(db)];
    await loadDemoAccounts(db);
    expect((await usersOf(db)).map((user) => user.email)).toEqual([...demoAccounts.emails].sort());
    const ids = new Set(seeded.map((employee) => employee.id));
    const employees = await employeesOf(db);
    expect(employees).toHaveLength(290);
    expect(employees.filter((employee) => ids.has(employee.id))).toEqual(seeded);
    expect(await departmentsOf(db)).toEqual(departments);
  });

  it('is loaded once by gateways that start concurrently', async () => {
    const db = await emptyDatabase();
    let loading: Promise<unknown> = Promise.resolve();
    await db.transaction().execute(async (transaction) => {
      await sql`lock table department in share mode`.execute(transaction);
      loading = Promise.all([loadDemoAccounts(db), loadDemoAccounts(db), loadDemoAccounts(db)]);
      const waiting = sql<{ count: number }>`
        select count(*)::integer as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      while ((await waiting.execute(db)).rows[0]?.count !== 3) await sleep(10);
    });
    await loading;
    expect(await employeesOf(db)).toHaveLength(240);
    expect(await usersOf(db)).toHaveLength(3);
  });
});

describe('seeding employees', () => {
  it('adds the requested number on each run, in several batches', async () => {
    const db = await emptyDatabase();
    for (const [count, total] of [
      [4_500, 4_500],
      [4_500, 9_000],
      [1, 9_001],
    ] as const) {
      expect(await seedEmployees(db, count)).toBe(count);
      expect(await employeesOf(db)).toHaveLength(total);
    }
    const employees = await employeesOf(db);
    expect(await departmentsOf(db)).toHaveLength(8);
    expect(employees.filter((employee) => employee.manager_id === null)).toHaveLength(3);
    expect(
      employees.every(
        ({ age, job_level, salary }) => age >= 16 && age <= 100 && job_level >= 1 && job_level <= 5 && salary > 0,
      ),
    ).toBe(true);
    expect(Math.max(...employees.map((employee) => employee.email.length))).toBeLessThan(100);
  });

  it('keeps the demo data unchanged', async () => {
    const db = await emptyDatabase();
    await loadDemoAccounts(db);
    const [employees, departments] = [await employeesOf(db), await departmentsOf(db)];
    await seedEmployees(db, 100);
    const ids = new Set(employees.map((employee) => employee.id));
    expect((await employeesOf(db)).filter((employee) => ids.has(employee.id))).toEqual(employees);
    expect(await employeesOf(db)).toHaveLength(340);
    expect(await departmentsOf(db)).toEqual(departments);
  });
});

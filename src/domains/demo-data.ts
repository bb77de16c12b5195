import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { hashPassword, isPassword } from '../auth/password.js';
import { Role } from '../auth/viewer.js';
import { newId } from '../database/base.entity.js';
import type { Columns, Database } from '../database/tables.js';
import type { Department } from './employee/department.entity.js';
import type { Employee } from './employee/employee.entity.js';

/** The accounts that exist only with the demo data. */
export const demoAccounts = {
  password: 'auspex-demo-2026',
  emails: ['admin@example.com', 'manager@example.com', 'user@example.com'],
} as const;

const demoEmployees = 240;
const rowsPerInsert = 2_000;

/** Gives a database without accounts a made-up company and the demo accounts; leaves one that has any account as it is. */
export async function loadDemoData(db: Database): Promise<void> {
  if (await hasAccounts(db)) return;
  // Before the transaction, which the database ends where it lies idle for long.
  const passwordHash = await hashPassword(demoAccounts.password);
  await db.transaction().execute(async (transaction) => {
    // Of several gateways that start at once on an empty database one loads; the others wait and find it used.
    await sql`select pg_advisory_xact_lock(hashtext('demo-data'))`.execute(transaction);
    if (await hasAccounts(transaction)) return;
    const departments = await ensureDepartments(transaction, companyDepartments());
    const employees = [...company(departments, demoEmployees)];
    await transaction.insertInto('employee').values(employees).execute();

    const lead = employees.find((employee) => employee.job_title === 'Engineering Team Lead');
    const member = lead ? employees.find((employee) => employee.manager_id === lead.id) : undefined;
    const employeeOf = { 'admin@example.com': null, 'manager@example.com': lead?.id ?? null, 'user@example.com': member?.id ?? null };
    const roleOf = { 'admin@example.com': Role.ADMIN, 'manager@example.com': Role.MANAGER, 'user@example.com': Role.USER };
    await transaction
      .insertInto('user_account')
      .values(
        demoAccounts.emails.map((email, position) => ({
          id: demoId('user', position),
          email,
          password_hash: passwordHash,
          role: roleOf[email],
          is_active: true,
          employee_id: employeeOf[email],
          created_at: founded,
          updated_at: founded,
        })),
      )
      .execute();
  });
}

const hasAccounts = async (db: Database): Promise<boolean> => (await db.selectFrom('user_account').select('id').limit(1).executeTakeFirst()) !== undefined;

/** The demo accounts that this database would let in with the published password. */
export async function openDemoAccounts(db: Database): Promise<string[]> {
  const users = await db.selectFrom('user_account').select(['email', 'password_hash']).where('email', 'in', demoAccounts.emails).where('is_active', '=', true).execute();
  const isOpen = await Promise.all(users.map((user) => isPassword(demoAccounts.password, user.password_hash)));
  return users.filter((_user, position) => isOpen[position]).map((user) => user.email);
}

/**
 * Adds made-up employees in new batches, for trying out a large company.
 * @returns how many were added
 */
export async function seedEmployees(db: Database, count: number): Promise<number> {
  const departments = await ensureDepartments(
    db,
    companyDepartments().map((department) => ({ ...department, id: newId() })),
  );
  const run = newId();
  let batch: Columns<Employee>[] = [];
  for (const employee of company(departments, count, run)) {
    batch.push(employee);
    if (batch.length < rowsPerInsert) continue;
    await db.insertInto('employee').values(batch).execute();
    batch = [];
  }
  if (batch.length > 0) await db.insertInto('employee').values(batch).execute();
  return count;
}

const founded = new Date('2026-01-05T09:00:00.000Z');

function companyDepartments(): Columns<Department>[] {
  const names = ['Engineering', 'Finance', 'Marketing', 'Operations', 'People', 'Research', 'Sales', 'Support'];
  return names.map((name, position) => ({ id: demoId('department', position), name, created_at: founded, updated_at: founded }));
}

/** The company's departments, by name; those that the database has already stay as they are. */
async function ensureDepartments(db: Database, departments: Columns<Department>[]): Promise<Columns<Department>[]> {
  await db
    .insertInto('department')
    .values(departments)
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const names = departments.map((department) => department.name);
  return db.selectFrom('department').selectAll().where('name', 'in', names).orderBy('name').execute();
}

/**
 * A company from the top down: one head, a director for each department, team leads, and members in teams of eight.
 * The same numbers give the same company; managers come before their reports.
 * @param run sets one seeded company's ids and addresses apart from another's; absent for the demo data
 */
function* company(departments: readonly Columns<Department>[], count: number, run = ''): Generator<Columns<Employee>> {
  const random = mulberry32(count);
  const pick = <Item>(items: readonly [Item, ...Item[]]): Item => items[Math.floor(random() * items.length)] ?? items[0];
  const between = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const headOf = new Map<string, string>();
  const leadOf = new Map<string, { id: string; reports: number }>();
  let headId: string | null = null;

  for (let position = 0; position < count; position++) {
    const department = departments[position % departments.length];
    if (!department) return;
    const director = headOf.get(department.id);
    const lead = leadOf.get(department.id);
    const rank =
      headId === null ? 'Chief Executive' : director === undefined ? 'Director' : lead === undefined || lead.reports >= 8 ? 'Team Lead' : pick(['Specialist', 'Analyst', 'Associate', 'Coordinator']);
    const level = { 'Chief Executive': 5, Director: 4, 'Team Lead': 3 }[rank] ?? between(1, 2);
    const id = run === '' ? demoId('employee', position) : newId();
    const managerId = rank === 'Chief Executive' ? null : rank === 'Director' ? headId : rank === 'Team Lead' ? (director ?? null) : (lead?.id ?? null);
    if (rank === 'Chief Executive') headId = id;
    if (rank === 'Director' || rank === 'Chief Executive') headOf.set(department.id, id);
    if (rank === 'Team Lead') leadOf.set(department.id, { id, reports: 0 });
    else if (lead) lead.reports += 1;

    const first = pick(firstNames);
    const last = pick(lastNames);
    const age = between(21 + level * 4, 50 + level * 3);
    const address = `${first}.${last}.${position + 1}${run === '' ? '' : `.${run.slice(-12)}`}@example.com`.toLowerCase();
    yield {
      id,
      name: `${first} ${last}`,
      email: address,
      age,
      job_title: rank === 'Chief Executive' ? rank : `${department.name} ${rank}`,
      job_level: level,
      hired_on: new Date(Date.UTC(2026, 0, 1) - between(30, Math.min(age - 20, 20) * 365) * 86_400_000).toISOString().slice(0, 10),
      salary: 24_000 + level * level * 5_200 + between(0, 60) * 100 * level,
      department_id: department.id,
      manager_id: managerId,
      version: 1,
      created_at: founded,
      updated_at: founded,
    };
  }
}

const firstNames = [
  'Ada', 'Aino', 'Amara', 'Ben', 'Carla', 'Chen', 'Dana', 'Deniz', 'Elif', 'Emil', 'Fatou', 'Femi', 'Grace', 'Hana', 'Hugo', 'Ines',
  'Ivan', 'Jana', 'Jonas', 'Kofi', 'Lena', 'Leo', 'Lucia', 'Mai', 'Marek', 'Maya', 'Milan', 'Nadia', 'Nils', 'Noor', 'Olga', 'Omar',
  'Pia', 'Priya', 'Rafael', 'Rosa', 'Sana', 'Tom', 'Vera', 'Yuki',
] as const; // prettier-ignore

const lastNames = [
  'Adler', 'Aydin', 'Baker', 'Becker', 'Bianchi', 'Costa', 'Diaz', 'Dubois', 'Eriksen', 'Farah', 'Fischer', 'Garcia', 'Haas', 'Hansen',
  'Ito', 'Ivanov', 'Jansen', 'Kaya', 'Keller', 'Kim', 'Kowalski', 'Lang', 'Lind', 'Lopez', 'Marino', 'Mensah', 'Moreau', 'Nagy', 'Novak',
  'Okafor', 'Patel', 'Petrov', 'Rossi', 'Sato', 'Silva', 'Singh', 'Tanaka', 'Vogel', 'Weber', 'Wood',
] as const; // prettier-ignore

/** An id that is the same in every demo database: a UUIDv7 of the founding time with bits that the name gives. */
function demoId(kind: string, position: number): string {
  const time = (founded.getTime() + position).toString(16).padStart(12, '0');
  const bits = createHash('sha256').update(`auspex demo ${kind} ${position}`).digest('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-8${bits.slice(3, 6)}-${bits.slice(6, 18)}`;
}

/** A small random generator with a seed, after Tommy Ettinger's Mulberry32: numbers from 0 up to 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}

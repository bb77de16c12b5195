import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { v7 as newId } from 'uuid';
import type { Role } from '../../../src/auth/viewer.ts';
import type { Columns, Database } from '../../../src/database/tables.ts';
import type { Department } from '../../../src/domains/employee/department.entity.ts';
import type { Employee } from '../../../src/domains/employee/employee.entity.ts';
import type {} from '../../../src/domains/user/user.entity.ts';

interface DemoAccount {
  email: string;
  role: Role;
}

/** The accounts to create. The manager leads a team, and the user is a member of it. */
export interface DemoAccounts {
  admin: DemoAccount;
  manager: DemoAccount;
  user: DemoAccount;
  /** Hashes the password that all of them have. */
  hashPassword: () => Promise<string>;
}

const demoEmployees = 240;
const rowsPerInsert = 2_000;

/** Loads a synthetic company and the demo accounts into a database without accounts; changes no other database. */
export async function loadDemoData(db: Database, { admin, manager, user, hashPassword }: DemoAccounts): Promise<void> {
  if (await hasAccounts(db)) return;
  // Before the transaction, which has an idle timeout.
  const passwordHash = await hashPassword();
  await db.transaction().execute(async (transaction) => {
    // Gateways that start at the same time on an empty database load it once.
    await sql`lock table ${sql.table('user_account')} in share row exclusive mode`.execute(transaction);
    if (await hasAccounts(transaction)) return;
    const departments = await ensureDepartments(transaction, companyDepartments());
    const employees = [...company(departments, demoEmployees)];
    await transaction.insertInto('employee').values(employees).execute();

    const lead = employees.find((employee) => employee.job_title === 'Engineering Team Lead');
    const member = lead ? employees.find((employee) => employee.manager_id === lead.id) : undefined;
    const accounts = [
      { ...admin, employee_id: null },
      { ...manager, employee_id: lead?.id ?? null },
      { ...user, employee_id: member?.id ?? null },
    ];
    await transaction
      .insertInto('user_account')
      .values(
        accounts.map((account, position) => ({
          ...account,
          id: demoId('user', position),
          password_hash: passwordHash,
          is_active: true,
          created_at: founded,
          updated_at: founded,
        })),
      )
      .execute();
  });
}

const hasAccounts = async (db: Database): Promise<boolean> =>
  (await db.selectFrom('user_account').select('id').limit(1).executeTakeFirst()) !== undefined;

/** Adds synthetic employees, to try out a large company. @returns the number of added employees */
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
  return names.map((name, position) => ({
    id: demoId('department', position),
    name,
    created_at: founded,
    updated_at: founded,
  }));
}

/** Creates missing departments. @returns all departments, sorted by name */
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
 * Generates a company top-down: a chief executive, a director per department, team leads, teams of eight. Managers come before
 * their reports. Deterministic for a given count.
 * @param run makes ids and email addresses unique to a seed run; empty for the demo data
 */
function* company(departments: readonly Columns<Department>[], count: number, run = ''): Generator<Columns<Employee>> {
  const random = mulberry32(count);
  const pick = <Item>(items: readonly [Item, ...Item[]]): Item =>
    items[Math.floor(random() * items.length)] ?? items[0];
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
      headId === null
        ? 'Chief Executive'
        : director === undefined
          ? 'Director'
          : lead === undefined || lead.reports >= 8
            ? 'Team Lead'
            : pick(['Specialist', 'Analyst', 'Associate', 'Coordinator']);
    const level = { 'Chief Executive': 5, Director: 4, 'Team Lead': 3 }[rank] ?? between(1, 2);
    const id = run === '' ? demoId('employee', position) : newId();
    const managerId =
      rank === 'Chief Executive'
        ? null
        : rank === 'Director'
          ? headId
          : rank === 'Team Lead'
            ? (director ?? null)
            : (lead?.id ?? null);
    if (rank === 'Chief Executive') headId = id;
    if (rank === 'Director' || rank === 'Chief Executive') headOf.set(department.id, id);
    if (rank === 'Team Lead') leadOf.set(department.id, { id, reports: 0 });
    else if (lead) lead.reports += 1;

    const first = pick(firstNames);
    const last = pick(lastNames);
    const age = between(21 + level * 4, 50 + level * 3);
    const address =
      `${first}.${last}.${position + 1}${run === '' ? '' : `.${run.slice(-12)}`}@example.com`.toLowerCase();
    const daysHere = between(30, Math.min(age - 20, 20) * 365);
    // A separate generator: a changed formula changes no other column.
    const salary = salaryOf(level, department.name, daysHere / 365, mulberry32(Math.floor(random() * 2 ** 32)));
    yield {
      id,
      name: `${first} ${last}`,
      email: address,
      age,
      job_title: rank === 'Chief Executive' ? rank : `${department.name} ${rank}`,
      job_level: level,
      hired_on: new Date(Date.UTC(2026, 0, 1) - daysHere * 86_400_000).toISOString().slice(0, 10),
      salary,
      department_id: department.id,
      manager_id: managerId,
      version: 1,
      created_at: founded,
      updated_at: founded,
    };
  }
}

/** Yearly pay in USD by job level, near the estimates of the model `salary-benchmark`. */
const payOfLevel = [34_500, 64_500, 116_000, 184_000, 228_000] as const;

/** Departments that pay more or less than the others. */
const payOfDepartment: Partial<Record<string, number>> = {
  Engineering: 1.06,
  Finance: 1.03,
  People: 0.97,
  Sales: 1.02,
  Support: 0.93,
};

/** One salary in 50 is far too low or too high, so that a comparison with the model finds some. */
const outlierShare = 0.02;

/** A yearly salary in USD, in whole hundreds: level, department and tenure, with noise of about 8 %. */
function salaryOf(level: number, department: string, years: number, random: () => number): number {
  const usual =
    (payOfLevel[level - 1] ?? 0) * (payOfDepartment[department] ?? 1) * (0.97 + 0.006 * Math.min(years, 10));
  const noise = 1 + 0.16 * (random() + random() + random() - 1.5);
  const isOutlier = random() < outlierShare;
  const factor = isOutlier ? (random() < 0.5 ? 0.6 : 1.5) : noise;
  return Math.round((usual * factor) / 100) * 100;
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

/** An id that is the same in every demo database: a UUIDv7 of the founding time, with bits from a hash of the name. */
function demoId(kind: string, position: number): string {
  const time = (founded.getTime() + position).toString(16).padStart(12, '0');
  const bits = createHash('sha256').update(`auspex demo ${kind} ${position}`).digest('hex');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits.slice(0, 3)}-8${bits.slice(3, 6)}-${bits.slice(6, 18)}`;
}

/** Seeded random numbers from 0 (inclusive) to 1 (exclusive): Tommy Ettinger's Mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}

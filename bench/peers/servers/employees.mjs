/* The statements and the schema that the JavaScript peers share: employees with department and manager, without N+1. */
import pg from 'pg';

// Dates as the API has them, not as instants.
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

export const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  options: '-c search_path=auspex',
  max: Number(process.env.POOL_SIZE),
});

export const typeDefs = /* GraphQL */ `
  type Department {
    id: ID!
    name: String!
  }
  type Employee {
    id: ID!
    name: String!
    email: String!
    age: Int!
    jobTitle: String!
    hiredOn: String!
    department: Department!
    manager: Employee
  }
  type EmployeeConnection {
    nodes: [Employee!]!
  }
  type Query {
    employees(first: Int!): EmployeeConnection!
    employee(id: ID!): Employee
  }
`;

const columns = `id, name, email, age, job_title as "jobTitle", hired_on as "hiredOn", department_id as "departmentId", manager_id as "managerId"`;

export async function employeesPage(first) {
  const rows = await query('page', `select ${columns} from employee order by name, id limit $1`, [
    Math.min(first, 100),
  ]);
  return { nodes: rows };
}

export async function employeeById(id) {
  const rows = await query('employee', `select ${columns} from employee where id = $1`, [id]);
  return rows[0] ?? null;
}

export const employeesByIds = (ids) => byIds('employees', `select ${columns} from employee where id = any($1)`, ids);

export const departmentsByIds = (ids) =>
  byIds('departments', 'select id, name from department where id = any($1)', ids);

/** Rows in the order of the ids, by one statement. */
async function byIds(name, text, ids) {
  const rows = await query(name, text, [[...new Set(ids)]]);
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}

/** `pg` plans each statement again unless it has a name. */
async function query(name, text, values) {
  const { rows } = await pool.query(process.env.NAMED_STATEMENTS ? { name, text, values } : { text, values });
  return rows;
}

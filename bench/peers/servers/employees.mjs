/* The statements and the schema that the JavaScript peers share: a page of employees with department and manager, without N+1. */
import pg from 'pg';

// Dates as the API has them, not as instants.
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);

export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });

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
  }
`;

const columns = `id, name, email, age, job_title as "jobTitle", hired_on as "hiredOn", department_id as "departmentId", manager_id as "managerId"`;

export async function employeesPage(first) {
  const { rows } = await pool.query({
    name: 'page',
    text: `select ${columns} from employee order by name collate "und-x-icu", id limit $1`,
    values: [Math.min(first, 100)],
  });
  return { nodes: rows };
}

export const employeesByIds = (ids) => byIds('employees', `select ${columns} from employee where id = any($1)`, ids);

export const departmentsByIds = (ids) =>
  byIds('departments', 'select id, name from department where id = any($1)', ids);

/** Rows in the order of the ids, by one statement. */
async function byIds(name, text, ids) {
  const { rows } = await pool.query({ name, text, values: [[...new Set(ids)]] });
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}

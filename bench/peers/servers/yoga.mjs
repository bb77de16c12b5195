/* GraphQL Yoga with DataLoader. */
import { createServer } from 'node:http';
import { usePersistedOperations } from '@graphql-yoga/plugin-persisted-operations';
import { useResponseCache } from '@graphql-yoga/plugin-response-cache';
import DataLoader from 'dataloader';
import { createSchema, createYoga } from 'graphql-yoga';
import { departmentsByIds, employeeById, employeesByIds, employeesPage, typeDefs } from './employees.mjs';
import { employeeDocument, employeeHash } from '../workloads.mjs';

const persisted = usePersistedOperations({
  getPersistedOperation: (hash) => (hash === employeeHash ? employeeDocument : null),
  allowArbitraryOperations: true,
});
const yoga = createYoga({
  logging: false,
  graphiql: false,
  plugins: [persisted, ...(process.env.RESPONSE_CACHE ? [useResponseCache({ session: () => null, ttl: 60_000 })] : [])],
  context: () => ({ departments: new DataLoader(departmentsByIds), employees: new DataLoader(employeesByIds) }),
  schema: createSchema({
    typeDefs,
    resolvers: {
      Query: {
        employees: (_root, { first }) => employeesPage(first),
        employee: (_root, { id }) => employeeById(id),
      },
      Employee: {
        department: ({ departmentId }, _args, { departments }) => departments.load(departmentId),
        manager: ({ managerId }, _args, { employees }) => (managerId ? employees.load(managerId) : null),
      },
    },
  }),
});
const server = createServer(yoga).listen(0, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${server.address().port}`),
);

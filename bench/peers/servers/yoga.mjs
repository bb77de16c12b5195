/* GraphQL Yoga with DataLoader. */
import { createServer } from 'node:http';
import DataLoader from 'dataloader';
import { createSchema, createYoga } from 'graphql-yoga';
import { departmentsByIds, employeesByIds, employeesPage, typeDefs } from './employees.mjs';

const yoga = createYoga({
  logging: false,
  graphiql: false,
  context: () => ({ departments: new DataLoader(departmentsByIds), employees: new DataLoader(employeesByIds) }),
  schema: createSchema({
    typeDefs,
    resolvers: {
      Query: { employees: (_root, { first }) => employeesPage(first) },
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

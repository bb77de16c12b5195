/* Mercurius with graphql-jit and its own batching loaders. */
import { constants } from 'node:zlib';
import compress from '@fastify/compress';
import fastify from 'fastify';
import mercurius from 'mercurius';
import { departmentsByIds, employeeById, employeesByIds, employeesPage, typeDefs } from './employees.mjs';
import { employeeDocument, employeeHash } from '../workloads.mjs';

const app = fastify();
if (process.env.COMPRESSION)
  await app.register(compress, { brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } } });
await app.register(mercurius, {
  schema: typeDefs,
  // Compiles an operation at its first execution.
  jit: 1,
  persistedQueryProvider: mercurius.persistedQueryDefaults.prepared({ [employeeHash]: employeeDocument }),
  resolvers: {
    Query: {
      employees: (_root, { first }) => employeesPage(first),
      employee: (_root, { id }) => employeeById(id),
    },
  },
  loaders: {
    Employee: {
      department: {
        loader: (queries) => departmentsByIds(queries.map(({ obj }) => obj.departmentId)),
        opts: { cache: false },
      },
      manager: { loader: managersOf, opts: { cache: false } },
    },
  },
});
console.log(await app.listen({ port: 0, host: '127.0.0.1' }));

async function managersOf(queries) {
  const ids = queries.flatMap(({ obj }) => obj.managerId ?? []);
  const managers = new Map((await employeesByIds(ids)).map((manager) => [manager.id, manager]));
  return queries.map(({ obj }) => managers.get(obj.managerId) ?? null);
}

/* A limit rather than a peer: Fastify sends the JSON that one SQL statement makes. It knows one page and no GraphQL. */
import fastify from 'fastify';
import { pool } from './employees.mjs';

const page = `
  select json_build_object('data', json_build_object('employees', json_build_object('nodes', json_agg(node))))::text as body
  from (
    select json_build_object(
      'id', e.id, 'name', e.name, 'email', e.email, 'age', e.age, 'jobTitle', e.job_title, 'hiredOn', e.hired_on,
      'department', json_build_object('name', d.name),
      'manager', case when m.id is not null then json_build_object('name', m.name) end
    ) as node
    from employee e join department d on d.id = e.department_id left join employee m on m.id = e.manager_id
    order by e.name, e.id limit $1
  ) as page`;

const app = fastify();
app.post('/graphql', async (_request, reply) => {
  const { rows } = await pool.query({ name: 'page', text: page, values: [50] });
  return reply.type('application/json; charset=utf-8').send(rows[0].body);
});
console.log(await app.listen({ port: 0, host: '127.0.0.1' }));

import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { ChangeKind } from '../../src/graphql/subscriptions/event-sources.js';
import { EmployeeChanges, snapshotOf } from '../../src/domains/employee/employee.events.js';
import { employeePage, employeesByName } from '../../src/domains/employee/employee.queries.js';
import type { EmployeeFilter, EmployeeRow } from '../../src/domains/employee/employee.types.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { openPubSub } from '../../src/events/pub-sub.js';
import { conditionOf } from '../support/employee-lists.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
let everyone: EmployeeRow[];
beforeAll(async () => {
  gateway = await startGateway();
  // Letters whose case folding differs between JavaScript and PostgreSQL.
  const odd = ['İstanbul ıŞIK', 'STRASSE straße', 'ΣΊΣΥΦΟΣ σίσυφος', '100%_\\done', 'ǅungla', 'Kelvin K'];
  const rows = await gateway.db.selectFrom('employee').select('id').limit(odd.length).execute();
  for (const [at, name] of odd.entries())
    await gateway.db
      .updateTable('employee')
      .set({ name })
      .where('id', '=', rows[at]?.id ?? '')
      .execute();
  everyone = await pageOf({});
});
afterAll(() => gateway.close());

const all = { order: employeesByName, limit: 1000, isBackward: false, after: null, before: null };
const pageOf = (filter: EmployeeFilter) => employeePage(gateway.db, conditionOf(filter), all);

describe('a stream of employee changes', () => {
  it('contains exactly the employees of a list with the same filter', async () => {
    const changes = new EmployeeChanges({
      db: gateway.db,
      pubSub: openPubSub({ logger: createLogger('silent') }),
      log: createLogger('silent'),
      maxBuffered: 10_000,
    });
    const rows = fc.constantFrom(...everyone);
    const absent = fc.constantFrom(undefined, null);
    const day = fc.oneof(
      rows.map(({ hiredOn }) => new Date(hiredOn)),
      fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
    );
    const age = fc.oneof(
      rows.map((row) => row.age),
      fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
    );
    const piece = fc
      .tuple(
        rows,
        fc.constantFrom('name', 'email', 'jobTitle'),
        fc.nat(20),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom('as it is', 'upper', 'lower'),
      )
      .map(([row, field, from, length, how]) => {
        const text = [...row[field as 'name']]
          .slice(from % row.name.length, (from % row.name.length) + length)
          .join('');
        return how === 'upper' ? text.toUpperCase() : how === 'lower' ? text.toLowerCase() : text;
      });
    const search = fc.oneof(
      piece,
      fc.constantFrom('%', '_', '\\', ' ', '', 'ı', 'İ', 'ß', 'ss', 'ς', 'k'),
      fc.string({ maxLength: 3 }).filter((text) => !text.includes('\0')),
    );
    const maybe = <Value>(value: fc.Arbitrary<Value>) =>
      fc.oneof({ weight: 2, arbitrary: absent }, { weight: 1, arbitrary: value });
    const filters = fc.record({
      search: maybe(search),
      departmentId: maybe(rows.map(({ departmentId }) => encodeId('department', departmentId))),
      managerId: maybe(rows.map(({ id, managerId }) => encodeId('employee', managerId ?? id))),
      minAge: maybe(age),
      maxAge: maybe(age),
      hiredAfter: maybe(day),
      hiredBefore: maybe(day),
    });
    let found = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(filters, { minLength: 1, maxLength: 4 }), async (several) => {
        const received = several.map(() => [] as string[]);
        const streams = several.map((filter) => changes.open(filter as EmployeeFilter));
        const reading = streams.map(async (stream, at) => {
          for await (const { id } of stream) received[at]?.push(id);
        });
        const last = changes.open({});
        let seen = 0;
        // Half match in the state before, half in the state after.
        for (const [at, row] of everyone.entries()) {
          const state = snapshotOf(row);
          changes.publish(
            at % 2
              ? { kind: ChangeKind.CREATED, id: row.id, before: null, after: state }
              : { kind: ChangeKind.DELETED, id: row.id, before: state, after: null },
          );
        }
        while (seen < everyone.length) {
          await last.next();
          seen += 1;
        }
        await nextTurn();
        for (const stream of [...streams, last]) await stream.return();
        await Promise.all(reading);
        for (const [at, filter] of several.entries()) {
          const listed = (await pageOf(filter as EmployeeFilter)).map(({ id }) => id).sort();
          expect(received[at]?.sort()).toEqual(listed);
          found += listed.length;
        }
      }),
      { numRuns: 60 },
    );
    expect(found).toBeGreaterThan(500);
    expect(changes.size).toBe(0);
  }, 120_000);
});

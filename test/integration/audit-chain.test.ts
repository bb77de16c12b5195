import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { verifyChain, type ChainReport } from '../../src/audit/chain.js';
import { AuditAction } from '../../src/audit/audit-event.js';
import { AuditRetention } from '../../src/audit/retention.js';
import { Role } from '../../src/auth/viewer.js';
import { openOrm } from '../../src/database/orm.js';
import { AuditEventRecord } from '../../src/domains/audit/audit-event.entity.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { encodeId } from '../../src/graphql/relay/global-id.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { addPerson, setRole, type Person } from '../support/people.js';

let gateway: TestGateway;
let people: Person[];
beforeAll(async () => {
  gateway = await startGateway();
  people = [];
  for (let index = 0; index < 8; index += 1) people.push(await addPerson(gateway));
  for (const person of people) await setRole(gateway, person, Role.MANAGER);
});
afterAll(() => gateway.close());

const verify = (head?: { position: number; hash: string }): Promise<ChainReport> => verifyChain(gateway.db, head);

interface Stored {
  position: string;
  event_id: string;
  hash: string;
}
const links = (): Promise<Stored[]> => gateway.db.selectFrom('audit_chain').selectAll().orderBy('position').execute();

/** Runs statements as an owner of the tables who removes the triggers, in a transaction that is rolled back after `look`. */
async function tampered<Result>(statement: string, look: () => Promise<Result>): Promise<Result> {
  await sql`create table audit_event_copy as table audit_event`.execute(gateway.db);
  await sql`create table audit_chain_copy as table audit_chain`.execute(gateway.db);
  const withoutTriggers = (...statements: string[]) =>
    gateway.db.transaction().execute(async (transaction) => {
      await sql`set local session_replication_role = replica`.execute(transaction);
      for (const each of statements) await sql.raw(each).execute(transaction);
    });
  try {
    await withoutTriggers(statement);
    return await look();
  } finally {
    await withoutTriggers(
      'delete from audit_event',
      'delete from audit_chain',
      'insert into audit_event table audit_event_copy',
      'insert into audit_chain table audit_chain_copy',
      'drop table audit_event_copy',
      'drop table audit_chain_copy',
    );
  }
}

describe('the tables of the audit log', () => {
  it.each(['audit_event', 'audit_chain'])('reject UPDATE, DELETE and TRUNCATE of %s, also of no row', async (table) => {
    const column = table === 'audit_event' ? 'action' : 'hash';
    for (const statement of [
      `update ${table} set ${column} = 'x'`,
      `update ${table} set ${column} = 'x' where false`,
      `delete from ${table}`,
      `truncate ${table}`,
      `insert into ${table} table ${table} on conflict (${table === 'audit_event' ? 'id' : 'position'}) do update set ${column} = 'x'`,
    ])
      await expect(sql.raw(statement).execute(gateway.db)).rejects.toThrow(`The table ${table} is append-only.`);
    expect(await verify()).toMatchObject({ isIntact: true, events: people.length });
  });

  it('let a role that only reads and inserts append to the chain, and not delete', async () => {
    await sql`create role audit_writer`.execute(gateway.db);
    try {
      await sql`grant usage on schema auspex to audit_writer`.execute(gateway.db);
      await sql`grant select, insert on audit_event to audit_writer`.execute(gateway.db);
      await gateway.db.transaction().execute(async (transaction) => {
        await sql`set local role audit_writer`.execute(transaction);
        await sql`insert into audit_event (id, at, action, outcome, count)
          values (gen_random_uuid(), now(), 'SIGN_IN', 'SUCCESS', 1)`.execute(transaction);
        await sql`set constraints all immediate`.execute(transaction);
      });
      const attempt = gateway.db.transaction().execute(async (transaction) => {
        await sql`set local role audit_writer`.execute(transaction);
        await sql`set local auspex.audit_retention = 'on'`.execute(transaction);
        await sql`delete from audit_event`.execute(transaction);
      });
      await expect(attempt).rejects.toThrow('permission denied');
      expect(await verify()).toMatchObject({ isIntact: true, events: people.length + 1 });
    } finally {
      await sql`drop owned by audit_writer`.execute(gateway.db);
      await sql`drop role audit_writer`.execute(gateway.db);
    }
  });
});

describe('verification', () => {
  it('finds an intact chain and prints its head, which is part of the chain later', async () => {
    const report = await verify();
    const last = (await links()).at(-1);
    expect(report).toEqual({
      isIntact: true,
      events: Number(last?.position),
      first: 1,
      head: { position: Number(last?.position), hash: last?.hash },
    });
    const [second] = (await links()).slice(1);
    expect(await verify({ position: 2, hash: second?.hash ?? '' })).toEqual(report);
  });

  it.each([
    ['a changed value', `update audit_event set after = '{"role":"USER"}' where id = $id`, /differs from its hash/],
    ['a changed actor', 'update audit_event set actor_id = gen_random_uuid() where id = $id', /differs from its hash/],
    ['a moved time', `update audit_event set at = at + interval '1 ms' where id = $id`, /differs from its hash/],
    [
      'a value that moved between columns',
      `update audit_event set address = client, client = address where id = $id`,
      /differs/,
    ],
    ['a deleted event', 'delete from audit_event where id = $id', /has lost its event/],
    ['a deleted link', 'delete from audit_chain where event_id = $id', /is missing; the next link is 5/],
    [
      'a deleted event with its link',
      'with gone as (delete from audit_chain where event_id = $id) delete from audit_event where id = $id',
      /is missing; the next link is 5/,
    ],
    ['a changed hash', `update audit_chain set hash = repeat('0', 64) where event_id = $id`, /differs from its hash/],
    [
      'two hashes that changed places',
      `update audit_chain link set hash = other.hash from audit_chain other
       where other.position = 9 - link.position and link.position in (4, 5)`,
      /differs from its hash/,
    ],
  ])('names the first broken link after %s', async (_what, statement, problem) => {
    const id = (await links())[3]?.event_id ?? '';
    const report = await tampered(statement.replaceAll('$id', `'${id}'`), () => verify());
    expect(report).toMatchObject({ isIntact: false, broken: { position: 4, problem: expect.stringMatching(problem) } });
    expect(await verify()).toMatchObject({ isIntact: true });
  });

  it('finds a deleted start and, with a noted head, a deleted end', async () => {
    const all = await links();
    const [head] = all.slice(-1);
    const start = `with gone as (delete from audit_chain where position <= 2 returning event_id)
      delete from audit_event where id in (select event_id from gone)`;
    expect(await tampered(start, () => verify())).toMatchObject({ broken: { position: 1 } });
    const end = start.replace('position <= 2', `position = ${head?.position}`);
    const noted = { position: Number(head?.position), hash: head?.hash ?? '' };
    expect(await tampered(end, () => verify(noted))).toMatchObject({
      broken: { position: noted.position, problem: expect.stringMatching(/although it is the expected head/) },
    });
  });

  it('finds an event that was stored around the chain', async () => {
    const statement = `insert into audit_event (id, at, action, outcome, count)
      values ('00000000-0000-7000-8000-000000000001', now(), 'SIGN_IN', 'SUCCESS', 1)`;
    expect(await tampered(statement, () => verify())).toMatchObject({
      broken: { eventId: '00000000-0000-7000-8000-000000000001', problem: expect.stringMatching(/is missing/) },
    });
  });
});

describe('concurrent writers', () => {
  it('of two gateways make one chain, with one event for each change', async () => {
    const other = await startGateway({ DATABASE_URL: gateway.databaseUrl });
    try {
      const roles = [Role.USER, Role.MANAGER];
      const changes = Array.from({ length: 60 }, (_, index) => {
        return (index % 3 === 0 ? other : gateway).execute<Record<string, { id: string } | null>>(
          'admin',
          'mutation ($id: ID!, $role: Role!) { setUserRole(userId: $id, role: $role) { id } }',
          { id: people[index % people.length]?.id, role: roles[((index * 7) % 5) % 2] },
        );
      });
      // Changes of roles wait for each other anyway; keys of different owners do not.
      const owners = await Promise.all(Array.from({ length: 10 }, () => addPerson(gateway)));
      const keys = Array.from({ length: 60 }, (_, index) =>
        (index % 2 === 0 ? other : gateway).execute(
          { token: owners[index % owners.length]?.token ?? '' },
          'mutation { createApiKey(name: "one of many") { secret } }',
        ),
      );
      const results = await Promise.all([...changes, ...keys]);
      expect(results.flatMap(({ errors }) => errors)).toEqual([]);
      const after = await links();
      expect(after.map(({ position }) => Number(position))).toEqual(after.map((_, index) => index + 1));
      expect(await verify()).toMatchObject({ isIntact: true, events: after.length });
      const events = gateway.db.selectFrom('audit_event').select(['target', 'actor_id']);
      const created = await events.where('action', '=', AuditAction.API_KEY_CREATE).execute();
      const inTable = await gateway.db.selectFrom('api_key').select(['id', 'user_id']).execute();
      expect(created.map(({ target, actor_id: owner }) => `${target} ${owner}`).sort()).toEqual(
        inTable.map(({ id, user_id: owner }) => `${encodeId('apikey', id)} ${owner}`).sort(),
      );
      expect(created).toHaveLength(keys.length);
      // The events of each user alternate: none is missing, and none is there without its change.
      const stored = await gateway.db
        .selectFrom('audit_event')
        .innerJoin('audit_chain', 'audit_chain.event_id', 'audit_event.id')
        .select(['target', 'before', 'after'])
        .where('action', '=', AuditAction.USER_ROLE_CHANGE)
        .orderBy('position')
        .execute();
      for (const person of people) {
        const own = stored.filter(({ target }) => target === person.id);
        const path = own.map(({ after: values }) => values?.role);
        expect(own.map(({ before: values }) => values?.role)).toEqual([Role.USER, ...path.slice(0, -1)]);
        const { role } = await gateway.db
          .selectFrom('user_account')
          .select('role')
          .where('id', '=', person.uuid)
          .executeTakeFirstOrThrow();
        expect(path.at(-1)).toBe(role);
      }
    } finally {
      await other.close();
    }
  });
});

describe('retention', () => {
  const retain = async (seconds: number, batch = 5000): Promise<number> => {
    const { rows } = await sql<{ deleted: number }>`
      select auspex_delete_audit_events(clock_timestamp() - make_interval(secs => ${seconds}), ${batch}) as deleted`.execute(
      gateway.db,
    );
    return rows[0]?.deleted ?? -1;
  };
  afterEach(async () => expect(await verify()).toMatchObject({ isIntact: true }));

  it('deletes nothing that is new', async () => {
    const before = await links();
    expect(await retain(3600)).toBe(0);
    expect(await links()).toEqual(before);
  });

  it('deletes in batches, records each, and anchors the chain at the cut', async () => {
    const before = await links();
    expect(await retain(0, 3)).toBe(3);
    const report = await verify();
    expect(report).toMatchObject({ isIntact: true, first: 4, events: before.length - 3 + 1 });
    const event = await gateway.db
      .selectFrom('audit_event')
      .select(['count', 'after'])
      .where('action', '=', AuditAction.RETENTION)
      .executeTakeFirstOrThrow();
    expect(event).toEqual({ count: 3, after: { position: 3, hash: before[2]?.hash } });
    expect((await links())[0]).toEqual(before[3]);
  });

  it('deletes nothing beyond a batch for concurrent replicas, and leaves the newest link', async () => {
    const total = (await links()).length;
    const deleted = await Promise.all([retain(0, 2), retain(0, 2), retain(0, 2)]);
    expect(deleted).toEqual([2, 2, 2]);
    expect(await links()).toHaveLength(total - 6 + 3);
    while ((await retain(0)) > 1);
    expect((await links()).length).toBeGreaterThanOrEqual(1);
  });

  it('runs to its end in batches, also on two replicas at once', async () => {
    const orms = [1, 2].map(() => openOrm({ url: gateway.databaseUrl, entities: [AuditEventRecord], poolSize: 1 }));
    const replicas = orms.map((orm) => new AuditRetention({ orm, log: createLogger('silent'), days: 0, batchSize: 2 }));
    for (const person of people) await setRole(gateway, person, Role.USER);
    const newest = (await links()).at(-1);
    await Promise.all(replicas.map((replica) => replica.run()));
    const left = await links();
    expect(Number(left[0]?.position)).toBeGreaterThanOrEqual(Number(newest?.position));
    const others = gateway.db.selectFrom('audit_event').select('id').where('action', '<>', AuditAction.RETENTION);
    expect((await others.execute()).length).toBeLessThanOrEqual(1);
    for (const part of [...replicas, ...orms]) await part.close();
  });

  it('is found if more was deleted than it says', async () => {
    for (const person of people) await setRole(gateway, person, Role.ADMIN);
    const [first] = await links();
    const statement = `delete from audit_chain where position = ${first?.position}`;
    expect(await tampered(statement, () => verify())).toMatchObject({
      isIntact: false,
      broken: { position: Number(first?.position) },
    });
  });
});

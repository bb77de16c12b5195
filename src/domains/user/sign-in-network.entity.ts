import { Entity, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { networkOf } from '../../auth/network.js';
import { execute } from '../../database/execute.js';
import { owned } from '../../database/schema-names.js';
import type { Columns } from '../../database/tables.js';
import { User } from './user.entity.js';

/** A network from which a user has signed in. Wrong passwords from elsewhere do not block sign-ins from there. */
@Entity({ tableName: 'sign_in_network' })
export class SignInNetwork {
  @ManyToOne(() => User, {
    primary: true,
    mapToPk: true,
    fieldName: 'user_id',
    updateRule: 'cascade',
    deleteRule: 'cascade',
  })
  userId!: string;

  /** An IPv4 address, or the /64 of an IPv6 address. */
  @PrimaryKey({ length: 45 })
  network!: string;

  @Property({ type: 'timestamptz', length: 3 })
  lastUsedAt!: Date;
}

declare module '../../database/tables.js' {
  interface Tables {
    sign_in_network: Columns<SignInNetwork>;
  }
}

/** Maximum networks per user; the least recently used ones are deleted. */
const maxNetworksPerUser = 20;
/** An address may belong to somebody else by then. */
const maxAgeDays = 90;

/** Whether the account with this e-mail address has signed in from the network of `address` lately. */
export async function isKnownNetwork(em: SqlEntityManager, email: string, address: string): Promise<boolean> {
  const rows = await execute(
    em,
    sql`select from ${owned('sign_in_network')} n join ${owned('user_account')} u on u.id = n.user_id
      where u.email = ${email} and n.network = ${networkOf(address)} and n.last_used_at > now() - make_interval(days => ${maxAgeDays})`,
  );
  return rows.length > 0;
}

/** Records that the user has proved a credential from the network of `address`. */
export async function rememberNetwork(em: SqlEntityManager, userId: string, address: string): Promise<void> {
  await execute(
    em,
    sql`insert into ${owned('sign_in_network')} (user_id, network, last_used_at)
      values (${userId}, ${networkOf(address).slice(0, 45)}, now())
      on conflict (user_id, network) do update set last_used_at = now()`,
  );
  await execute(
    em,
    sql`delete from ${owned('sign_in_network')} where user_id = ${userId} and network not in (
      select network from ${owned('sign_in_network')} where user_id = ${userId} order by last_used_at desc, network limit ${maxNetworksPerUser})`,
  );
}

import { Migration } from '@mikro-orm/migrations';

const dayMs = 86_400_000;
/** Days that the table of before takes on as a partition: rows of a release that still runs must fit. */
const daysAhead = 7;

const startOfDay = (ms: number): number => Math.floor(ms / dayMs) * dayMs;

const dateText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The least id of a day: ids are UUIDv7, and start with their time. */
const boundFunction = `
create or replace function auspex_first_prediction_id(day date) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from day::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;`;

/** Creates the partitions of days that have none. Attaching one blocks neither reads nor writes of predictions. */
const createFunction = `
create or replace function auspex_create_prediction_partitions(days date[]) returns void language plpgsql security definer
set lock_timeout = '2s' as $$
declare
  day date;
  name text;
  home text := (select relnamespace::regnamespace::text from pg_class where oid = 'prediction'::regclass);
begin
  if not has_table_privilege(session_user, 'prediction', 'insert') then
    raise insufficient_privilege using message = 'Only roles that may insert predictions create their partitions.';
  end if;
  perform pg_advisory_xact_lock(hashtext('prediction.partitions'));
  foreach day in array days loop
    name := 'prediction_' || to_char(day, 'YYYYMMDD');
    continue when day not between date '1970-01-01' and current_date + 31 or exists (
      select from pg_inherits join pg_class child on child.oid = inhrelid
      where inhparent = 'prediction'::regclass and (child.relname = name
        or child.relname ~ '^prediction_before_\\d{8}$' and to_date(right(child.relname, 8), 'YYYYMMDD') > day)
    );
    execute format('create table %s.%I (like prediction including defaults)', home, name);
    execute format('alter table prediction attach partition %s.%I for values from (%L) to (%L)',
      home, name, auspex_first_prediction_id(day), auspex_first_prediction_id(day + 1));
  end loop;
end $$;`;

/** Drops the partitions of days before a day. Returns the end of the table of before, while it is a partition. */
const dropFunction = `
create or replace function auspex_drop_prediction_partitions(before date) returns date language plpgsql security definer
set lock_timeout = '2s' as $$
/* destructive: drops partitions whose predictions are older than the configured retention */
declare
  child record;
  remaining date;
begin
  if not has_table_privilege(session_user, 'prediction', 'delete') then
    raise insufficient_privilege using message = 'Only roles that may delete predictions drop their partitions.';
  end if;
  perform pg_advisory_xact_lock(hashtext('prediction.partitions'));
  for child in
    select relname as name, to_date(right(relname, 8), 'YYYYMMDD') + (relname !~ '_before_')::integer as ends
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'prediction'::regclass and relname ~ '^prediction_(before_|)\\d{8}$'
  loop
    if child.ends <= before then execute format('drop table %I', child.name);
    elsif child.name ~ '_before_' then remaining := child.ends;
    end if;
  end loop;
  return remaining;
end $$;`;

/** The functions run as the owner of the tables: their names must not resolve to objects of the caller. */
const fixedSearchPath = `
do $$
begin
  execute format('alter function auspex_create_prediction_partitions(date[]) set search_path = pg_catalog, %I, pg_temp', current_schema());
  execute format('alter function auspex_drop_prediction_partitions(date) set search_path = pg_catalog, %I, pg_temp', current_schema());
end $$;`;

/**
 * Makes the table of before a partition of a new table, with the same indexes, owner and privileges. Nothing is copied, and
 * nothing is scanned: the constraint says which ids it has.
 */
const partitionTable = (end: string): string => `
do $$
/* destructive: the new table has the name and the columns of the renamed one, which is its partition */
declare
  before text := 'prediction_before_${end.replaceAll('-', '')}';
  parent oid;
  index_name text;
  definitions text[];
  definition text;
  privilege record;
  owner text;
begin
  lock table prediction in access exclusive mode;
  select pg_get_userbyid(relowner) into owner from pg_class where oid = 'prediction'::regclass;
  select array_agg(pg_get_indexdef(indexrelid)) into definitions from pg_index where indrelid = 'prediction'::regclass and not indisprimary;
  for index_name in select relname from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = 'prediction'::regclass loop
    execute format('alter index %I rename to %I', index_name, replace(index_name, 'prediction_', 'prediction_before_'));
  end loop;
  execute format('alter table prediction rename to %I', before);
  execute format('create table prediction (like %I including defaults) partition by range (id)', before);
  alter table prediction add constraint prediction_pkey primary key (id);
  foreach definition in array definitions loop execute definition; end loop;
  alter table prediction add constraint prediction_user_id_foreign
    foreign key (user_id) references user_account (id) on update cascade on delete set null;
  execute format('alter table prediction owner to %I', owner);
  for privilege in
    select privilege_type, is_grantable, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
    from pg_class cross join aclexplode(relacl) where oid = to_regclass(before)
  loop
    execute format('grant %s on prediction to %s%s', privilege.privilege_type, privilege.grantee,
      case when privilege.is_grantable then ' with grant option' else '' end);
  end loop;
  execute format('alter table prediction attach partition %I for values from (minvalue) to (%L)',
    before, auspex_first_prediction_id(date '${end}'));
  execute format('alter table %I drop constraint prediction_before_partitions', before);
end $$;`;

/** One table again, with all rows. */
const mergePartitions = `
do $$
declare
  definitions text[];
  definition text;
begin
  select array_agg(replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')) into definitions
  from pg_index where indrelid = 'prediction'::regclass and not indisprimary;
  create table prediction_merged (like prediction including defaults);
  insert into prediction_merged select * from prediction;
  drop table prediction;
  alter table prediction_merged rename to prediction;
  alter table prediction add constraint prediction_pkey primary key (id);
  foreach definition in array definitions loop execute definition; end loop;
  alter table prediction add constraint prediction_user_id_foreign
    foreign key (user_id) references user_account (id) on update cascade on delete set null;
end $$;`;

/** Partitions the history of predictions by day, so that the retention drops tables instead of deleting rows. */
export class Migration20261127210000 extends Migration {
  override name = 'Migration20261127210000';

  /** The constraint is validated while predictions are written, the rest is one statement. */
  override isTransactional(): boolean {
    return false;
  }

  override async up(): Promise<void> {
    const [{ kind } = {}] = await this.execute(
      `select relkind as kind from pg_class where oid = 'prediction'::regclass`,
    );
    for (const statement of [boundFunction, createFunction, dropFunction, fixedSearchPath])
      await this.execute(statement);
    // A row of a gateway whose clock was ahead must fit, too.
    const [{ id: newest } = {}] = await this.execute(`select id from prediction order by id desc limit 1`);
    const newestMs = newest === undefined ? 0 : Number.parseInt(String(newest).replace('-', '').slice(0, 12), 16);
    const end = Math.max(startOfDay(Date.now()) + daysAhead * dayMs, startOfDay(newestMs) + dayMs);
    if (kind !== 'p') await this.#partition(dateText(end));
    const days = Array.from({ length: daysAhead }, (_, day) => dateText(end + day * dayMs));
    await this.execute(`select auspex_create_prediction_partitions(array['${days.join(`', '`)}']::date[])`);
  }

  override async down(): Promise<void> {
    await this.execute(mergePartitions);
    await this.execute('drop function auspex_create_prediction_partitions(date[])');
    await this.execute('drop function auspex_drop_prediction_partitions(date)');
    await this.execute('drop function auspex_first_prediction_id(date)');
  }

  async #partition(end: string): Promise<void> {
    const name = 'prediction_before_partitions';
    const drop = `alter table prediction drop constraint if exists ${name}`;
    await this.execute(drop);
    try {
      const [{ bound } = {}] = await this.execute(`select auspex_first_prediction_id(date '${end}') as bound`);
      await this.execute(`alter table prediction add constraint ${name} check (id < '${String(bound)}') not valid`);
      await this.execute(`alter table prediction validate constraint ${name}`);
      await this.execute(partitionTable(end));
    } catch (error) {
      // Rows of later days must not be rejected while the migration waits for its next attempt.
      await this.execute(drop);
      throw error;
    }
  }
}

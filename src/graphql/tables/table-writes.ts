import type { EntityClass } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/postgresql';
import type { GraphQLResolveInfo } from 'graphql';
import { AuditAction } from '../../audit/audit-event.js';
import type { RecordEvent } from '../../audit/audit-log.js';
import { Role } from '../../auth/viewer.js';
import type { RowShape } from '../../database/row-shapes.js';
import { BadUserInput, Conflict, NotFound, type FieldProblem } from '../../errors/app-error.js';
import type { Context } from '../context/context.js';
import { operationReads } from '../context/operation-reads.js';
import {
  chain,
  hasRole,
  isCurrentAdministrator,
  isSession,
  requireViewer,
  type Permissions,
} from '../permissions/rules.js';
import { column as types } from './column-types.js';
import type { TableColumn } from './existing-table.js';
import { readValues, type ColumnValue } from './input-values.js';
import type { RowIds } from './row-id.js';
import { changeable, insertable } from './table-inputs.js';
import type { TableReads } from './table-reads.js';
import { writeError } from './write-errors.js';
import { WriteStatements, type RowWriter, type WrittenRow } from './write-statements.js';

type AnyRule = Permissions[string][string];

/** Only administrators, with a session: the rule of writes that a generated type has at first. */
export const administrators = chain(isSession, hasRole(Role.ADMIN), isCurrentAdministrator);

interface WriteOptions<Row extends object> {
  entity: EntityClass<unknown>;
  reads: TableReads<Row>;
  /** The callers that write. Of a table with an owner, a caller who is no ADMIN writes the rows of the account. */
  canWrite: AnyRule;
}

/** The version that a change is based on; undefined for any. */
type Version = string | null | undefined;

/** What a write needs of its request. */
interface WriteRequest {
  context: Context;
  info: GraphQLResolveInfo;
  /** Records the change in its transaction. */
  record: RecordEvent;
}

/** Creates, changes and deletes rows of an existing table, each in one transaction with its event in the audit log. */
export class TableWrites<Row extends object> {
  /** The rule of the mutations. They return rows, so that the caller must be able to read the table, too. */
  readonly canWrite: AnyRule;
  readonly #options: WriteOptions<Row>;
  readonly #statements: WriteStatements<Row>;
  readonly #ids: RowIds;

  constructor(options: WriteOptions<Row>) {
    this.#options = options;
    this.canWrite = chain(options.reads.canRead, options.canWrite);
    const { ids, statements } = options.reads.forWrites;
    this.#ids = ids;
    this.#statements = new WriteStatements<Row>(statements.mapping);
  }

  /** Creates a row. @throws BadUserInput with every invalid field; Conflict if a rule of the database rejects it */
  async create(input: object, request: WriteRequest): Promise<Row> {
    const owner = await this.#ownerFor(request.context);
    const values = this.#read(insertable(this.#statements.mapping), input, owner, request.context);
    const { owner: ownedBy } = this.#statements.mapping;
    if (ownedBy && !values.has(ownedBy)) values.set(ownedBy, requireViewer(request.context).userId);
    return this.#write('create', values, request, async (transaction) => {
      const row = await this.#statements.insert(transaction, values, this.#shape(request.info));
      if (!row) throw skipped();
      const id = this.#options.reads.idOf(row);
      await request.record(transaction, { action: AuditAction.ROW_CREATE, target: id, after: fieldsOf(values) });
      return row;
    });
  }

  /**
   * Changes the columns that the input contains.
   * @param expectedVersion the version that the change is based on; undefined for any
   * @throws BadUserInput with every invalid field; NotFound; Conflict if the row has another version, or a rule of the
   * database rejects the change
   */
  async update(id: string, input: object, expectedVersion: Version, request: WriteRequest): Promise<Row> {
    const row = await this.#find(id, expectedVersion, request.context);
    const values = this.#read(changeable(this.#statements.mapping), input, row.owner, request.context);
    return this.#write('update', values, request, async (transaction) => {
      const changed = await this.#statements.update(transaction, row, values, this.#shape(request.info));
      if (!changed) throw await this.#absence(transaction, id, row);
      if (values.size > 0)
        await request.record(transaction, { action: AuditAction.ROW_UPDATE, target: id, after: fieldsOf(values) });
      return changed;
    });
  }

  /**
   * Deletes a row. @returns the payload of the mutation
   * @throws NotFound; Conflict if the row has another version, or other rows refer to it
   */
  async delete(id: string, expectedVersion: Version, request: WriteRequest): Promise<Record<string, string>> {
    const row = await this.#find(id, expectedVersion, request.context);
    return this.#write('delete', new Map(), request, async (transaction) => {
      if (!(await this.#statements.delete(transaction, row))) throw await this.#absence(transaction, id, row);
      await request.record(transaction, { action: AuditAction.ROW_DELETE, target: id });
      return { [`deleted${this.#options.entity.name}Id`]: id };
    });
  }

  async #find(id: string, expectedVersion: Version, context: Context): Promise<WrittenRow> {
    const key = this.#ids.decode(id);
    const column = this.#statements.mapping.columns.find(({ type }) => type === types.version);
    if (expectedVersion !== undefined && !/^\d{1,10}$/.test(expectedVersion ?? '')) throw invalidVersion;
    const version = column && expectedVersion != null ? { column, value: expectedVersion } : null;
    return { key, owner: await this.#ownerFor(context), version };
  }

  /** Whose rows the caller may write; null for all. */
  async #ownerFor(context: Context): Promise<RowWriter> {
    if (this.#statements.mapping.owner === null) return null;
    const { userId, kind } = requireViewer(context);
    // An access token outlives a demotion by minutes.
    const isAdministrator = kind === 'session' && (await context.currentRole()) === Role.ADMIN;
    return isAdministrator ? null : { userId };
  }

  /** @throws BadUserInput with every invalid field; Forbidden for a column that the viewer may not read */
  #read(
    columns: readonly TableColumn[],
    input: object,
    owner: RowWriter,
    { viewer }: Context,
  ): Map<TableColumn, ColumnValue> {
    const { values, problems } = readValues(columns, input);
    // An error of the database, such as that of a unique index, would reveal its values.
    const denial = [...values.keys()].map((column) => column.mayRead?.(viewer)).find((one) => one != null);
    if (denial) throw denial;
    const { owner: ownedBy } = this.#statements.mapping;
    if (owner && ownedBy && values.has(ownedBy)) problems.push(ownerProblem(ownedBy));
    if (problems.length > 0) throw BadUserInput.ofFields(problems);
    return values;
  }

  /** The columns that the operation reads of the type anywhere, and the key. */
  #shape(info: GraphQLResolveInfo): RowShape<Row> {
    const { statements } = this.#options.reads.forWrites;
    return statements.rows.of(operationReads(info, this.#options.entity.name));
  }

  async #write<Result>(
    kind: 'create' | 'update' | 'delete',
    values: ReadonlyMap<TableColumn, ColumnValue>,
    { context }: WriteRequest,
    write: (transaction: SqlEntityManager) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await context.em.transactional(write);
    } catch (error) {
      // The constraints that are checked at the end of the transaction, too.
      throw await writeError(error, { kind, values, mapping: this.#statements.mapping, context });
    }
  }

  /** Why a row was not written. */
  async #absence(transaction: SqlEntityManager, id: string, row: WrittenRow): Promise<NotFound | Conflict> {
    if (!(await this.#statements.exists(transaction, row))) return new NotFound(this.#options.entity.name, id);
    return row.version === null ? skipped() : new Conflict('Concurrent update detected; read the row again and retry.');
  }
}

const invalidVersion = BadUserInput.ofFields([
  {
    field: 'expectedVersion',
    message: 'must be a version that the row had; leave it out to change whichever version is current',
  },
]);

const ownerProblem = ({ property }: TableColumn): FieldProblem => ({
  field: property,
  message: 'must be absent: it is your account',
});

/** The error for a write that a trigger or a policy of the database left out. */
const skipped = (): Conflict => new Conflict('A rule of the database skipped the row; nothing was changed.');

/** Names and no values: logs have more readers than tables. */
const fieldsOf = (values: ReadonlyMap<TableColumn, ColumnValue>) => ({
  fields: [...values.keys()].map(({ property }) => property),
});

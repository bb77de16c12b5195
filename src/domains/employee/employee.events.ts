import { z } from 'zod';
import type { Database } from '../../database/tables.js';
import { ChangeKind } from '../../graphql/subscriptions/event-sources.js';
import { EventFeed } from '../../graphql/subscriptions/event-feed.js';
import type { EventReader } from '../../events/event-queue.js';
import type { Logger } from '../../telemetry/logger.js';
import { topic, type PubSub } from '../../events/pub-sub.js';
import { checkedFilter, type CheckedFilter } from './employee.filter.js';
import { employeesById, matchingTexts } from './employee.queries.js';
import { employeeWithRelations } from './employee.shapes.js';
import type { EmployeeChangeEvent, EmployeeFilter, EmployeeRow } from './employee.types.js';

/** The properties that filters read. Published through Redis, so nothing else is included. */
export type EmployeeSnapshot = Pick<
  EmployeeRow,
  'name' | 'email' | 'jobTitle' | 'age' | 'hiredOn' | 'departmentId' | 'managerId'
>;

/** A change as published to all replicas. */
export interface EmployeeChangeMessage {
  kind: ChangeKind;
  id: string;
  /** Null if the employee was created. */
  before: EmployeeSnapshot | null;
  /** Null if the employee was deleted. */
  after: EmployeeSnapshot | null;
}

const snapshot: z.ZodType<EmployeeSnapshot> = z.strictObject({
  name: z.string().max(100),
  email: z.string().max(254),
  jobTitle: z.string().max(100),
  age: z.int(),
  hiredOn: z.iso.date(),
  departmentId: z.uuid(),
  managerId: z.uuid().nullable(),
});

const employeeTopic = topic<EmployeeChangeMessage>(
  'employee',
  z.strictObject({ kind: z.enum(ChangeKind), id: z.uuid(), before: snapshot.nullable(), after: snapshot.nullable() }),
);

export interface EmployeeChangesOptions {
  db: Database;
  pubSub: PubSub;
  log: Logger;
  maxBuffered: number;
}

/** Publishes changes of employees, and opens streams of the changes that match a filter before or after the change. */
export class EmployeeChanges {
  readonly #feed: EventFeed<EmployeeChangeMessage, CheckedFilter, EmployeeChangeEvent>;

  constructor({ db, ...parts }: EmployeeChangesOptions) {
    this.#feed = new EventFeed({
      ...parts,
      topic: employeeTopic,
      prepare: (messages, filters) => prepare(db, messages, filters),
    });
  }

  /** Number of open streams. */
  get size(): number {
    return this.#feed.size;
  }

  /** Publishes a change; call it after the commit. */
  publish(message: EmployeeChangeMessage): void {
    this.#feed.publish(message);
  }

  /** @throws BadUserInput if the filter is invalid */
  open(filter: EmployeeFilter): EventReader<EmployeeChangeEvent> {
    return this.#feed.open(checkedFilter(filter));
  }
}

/** Copies the properties that filters read. */
export const snapshotOf = ({
  name,
  email,
  jobTitle,
  age,
  hiredOn,
  departmentId,
  managerId,
}: EmployeeSnapshot): EmployeeSnapshot => ({
  name,
  email,
  jobTitle,
  age,
  hiredOn,
  departmentId,
  managerId,
});

/** Runs at most two statements for any number of streams: the current employees, and the matches of their searches. */
async function prepare(db: Database, messages: readonly EmployeeChangeMessage[], filters: readonly CheckedFilter[]) {
  const plain = (message: EmployeeChangeMessage, filter: CheckedFilter): EmployeeSnapshot[] =>
    [message.before, message.after].filter(
      (state) => state !== null && matchesPlainly(state, filter),
    ) as EmployeeSnapshot[];
  const searched = filters.filter(({ search }) => search !== null);
  const affected = messages.filter((message) => filters.some((filter) => plain(message, filter).length > 0));
  const [holds, rows] = await Promise.all([matches(db, affected, searched), existing(db, affected)]);
  return (message: EmployeeChangeMessage, filter: CheckedFilter): EmployeeChangeEvent[] => {
    const isMatch = plain(message, filter).some((state) => filter.search === null || holds(state, filter.search));
    if (!isMatch) return [];
    const employee = message.kind === ChangeKind.DELETED ? null : (rows.get(message.id) ?? null);
    return [{ kind: message.kind, id: message.id, employee }];
  };
}

/** Tests all conditions except the search, like the SQL of `employees`. */
function matchesPlainly(
  state: EmployeeSnapshot,
  { departmentId, managerId, minAge, maxAge, hiredAfter, hiredBefore }: CheckedFilter,
): boolean {
  return (
    (departmentId === null || state.departmentId === departmentId) &&
    (managerId === null || state.managerId === managerId) &&
    (minAge === null || state.age >= minAge) &&
    (maxAge === null || state.age <= maxAge) &&
    (hiredAfter === null || state.hiredOn >= hiredAfter) &&
    (hiredBefore === null || state.hiredOn <= hiredBefore)
  );
}

/** Reads departments and managers too, since most streams select them: otherwise each stream would read them again. */
async function existing(db: Database, messages: readonly EmployeeChangeMessage[]): Promise<Map<string, EmployeeRow>> {
  const ids = [...new Set(messages.flatMap(({ kind, id }) => (kind === ChangeKind.DELETED ? [] : [id])))];
  if (ids.length === 0) return new Map();
  const rows = await employeesById(db, ids, employeeWithRelations);
  return new Map(rows.map((row) => [row.id, row]));
}

/** The database runs the search, since its collation decides which letters are equal. */
async function matches(db: Database, messages: readonly EmployeeChangeMessage[], searched: readonly CheckedFilter[]) {
  const states = messages.flatMap(({ before, after }) => [before, after].filter((state) => state !== null));
  const searches = [...new Set(searched.flatMap(({ search }) => search ?? []))];
  const found =
    states.length > 0 && searches.length > 0 ? await matchingTexts(db, states, searches) : new Set<string>();
  const indexOf = new Map(states.map((state, index) => [state, index]));
  return (state: EmployeeSnapshot, search: string): boolean => found.has(`${indexOf.get(state) ?? -1} ${search}`);
}

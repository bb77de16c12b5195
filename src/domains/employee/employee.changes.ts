import { z } from 'zod';
import type { Database } from '../../database/tables.js';
import { ChangeKind } from '../../graphql/change.js';
import { EventFeed } from '../../graphql/event-feed.js';
import type { EventReader } from '../../shared/event-queue.js';
import type { Logger } from '../../shared/logger.js';
import { topic, type PubSub } from '../../shared/pub-sub.js';
import { checkedFilter, employeesById, matchingTexts, type CheckedFilter } from './employee.queries.js';
import type { EmployeeChangeEvent, EmployeeFilter, EmployeeRow } from './employee.types.js';

/** What filters look at, and no more: this goes through Redis. */
export type EmployeeSnapshot = Pick<EmployeeRow, 'name' | 'email' | 'jobTitle' | 'age' | 'hiredOn' | 'departmentId' | 'managerId'>;

/** A change as it is told to every replica. */
export interface EmployeeChangeMessage {
  kind: ChangeKind;
  id: string;
  /** Null where the employee is new. */
  before: EmployeeSnapshot | null;
  /** Null where the employee is there no more. */
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
  maxWaiting: number;
}

/** Tells what becomes of employees, and lets streams hear of those that their filter describes, before the change or after it. */
export class EmployeeChanges {
  readonly #feed: EventFeed<EmployeeChangeMessage, CheckedFilter, EmployeeChangeEvent>;

  constructor({ db, ...parts }: EmployeeChangesOptions) {
    this.#feed = new EventFeed({ ...parts, topic: employeeTopic, prepare: (messages, filters) => prepare(db, messages, filters) });
  }

  /** Streams that are open. */
  get size(): number {
    return this.#feed.size;
  }

  /** To be called once the change is committed. */
  tell(message: EmployeeChangeMessage): void {
    this.#feed.tell(message);
  }

  /** @throws BadUserInput for a faulty filter */
  open(filter: EmployeeFilter): EventReader<EmployeeChangeEvent> {
    return this.#feed.open(checkedFilter(filter));
  }
}

/** What is told of an employee as it stands. */
export const snapshotOf = ({ name, email, jobTitle, age, hiredOn, departmentId, managerId }: EmployeeSnapshot): EmployeeSnapshot => ({
  name,
  email,
  jobTitle,
  age,
  hiredOn,
  departmentId,
  managerId,
});

/** Two statements at the most, however many listen: the employees as of now, and which texts hold what is searched for. */
async function prepare(db: Database, messages: readonly EmployeeChangeMessage[], filters: readonly CheckedFilter[]) {
  const plain = (message: EmployeeChangeMessage, filter: CheckedFilter): EmployeeSnapshot[] =>
    [message.before, message.after].filter((state) => state !== null && matchesPlainly(state, filter)) as EmployeeSnapshot[];
  const searched = filters.filter(({ search }) => search !== null);
  const heard = messages.filter((message) => filters.some((filter) => plain(message, filter).length > 0));
  const [holds, rows] = await Promise.all([matches(db, heard, searched), existing(db, heard)]);
  return (message: EmployeeChangeMessage, filter: CheckedFilter): EmployeeChangeEvent[] => {
    const isHeard = plain(message, filter).some((state) => filter.search === null || holds(state, filter.search));
    if (!isHeard) return [];
    const employee = message.kind === ChangeKind.DELETED ? null : (rows.get(message.id) ?? null);
    return [{ kind: message.kind, id: message.id, employee }];
  };
}

/** All conditions but the search, as the SQL of `employees` has them. */
export function matchesPlainly(state: EmployeeSnapshot, { departmentId, managerId, minAge, maxAge, hiredAfter, hiredBefore }: CheckedFilter): boolean {
  return (
    (departmentId === null || state.departmentId === departmentId) &&
    (managerId === null || state.managerId === managerId) &&
    (minAge === null || state.age >= minAge) &&
    (maxAge === null || state.age <= maxAge) &&
    (hiredAfter === null || state.hiredOn >= hiredAfter) &&
    (hiredBefore === null || state.hiredOn <= hiredBefore)
  );
}

/** With department and manager, which most streams show: else each stream would read them for itself. */
async function existing(db: Database, messages: readonly EmployeeChangeMessage[]): Promise<Map<string, EmployeeRow>> {
  const ids = [...new Set(messages.flatMap(({ kind, id }) => (kind === ChangeKind.DELETED ? [] : [id])))];
  if (ids.length === 0) return new Map();
  const rows = await employeesById(db, ids, { department: true, manager: true, managersDepartment: true });
  return new Map(rows.map((row) => [row.id, row]));
}

/** The search is left to the database: only it knows what it takes for the same letter. */
async function matches(db: Database, messages: readonly EmployeeChangeMessage[], searched: readonly CheckedFilter[]) {
  const states = messages.flatMap(({ before, after }) => [before, after].filter((state) => state !== null));
  const searches = [...new Set(searched.flatMap(({ search }) => search ?? []))];
  const found = states.length > 0 && searches.length > 0 ? await matchingTexts(db, states, searches) : new Set<string>();
  const indexOf = new Map(states.map((state, index) => [state, index]));
  return (state: EmployeeSnapshot, search: string): boolean => found.has(`${indexOf.get(state) ?? -1} ${search}`);
}

import type { GraphQLSchema } from 'graphql';
import { registerEnumType } from 'type-graphql';
import type { EventReader } from '../../events/event-queue.js';
import type { Context } from '../context/context.js';

/** The kind of change that an event reports. */
export enum ChangeKind {
  CREATED = 'CREATED',
  UPDATED = 'UPDATED',
  DELETED = 'DELETED',
}
registerEnumType(ChangeKind, {
  name: 'ChangeKind',
  description: 'The kind of a change.',
  valuesConfig: {
    CREATED: { description: 'Newly created.' },
    UPDATED: { description: 'Changed.' },
    DELETED: { description: 'Deleted.' },
  },
});

/**
 * A resolver of subscriptions. Its methods resolve events; `sources` opens the events of each field, by the field's name.
 * type-graphql has no resolver instance when a subscription opens, so that `@Subscription` cannot do it.
 */
export interface EventSources {
  readonly sources: Readonly<Record<string, OpenEvents>>;
}

/** Opens the events of a subscription. @throws AppError if the arguments are invalid; nothing is open then */
type OpenEvents = (args: Record<string, unknown>, context: Context) => EventReader<unknown>;

/** The `subscribe` option of `@Subscription`; `attachEventSources` replaces it. */
export const openedBySources = { subscribe: unused };

/** type-graphql requires one; events use the gateway's own instead. */
export const unusedPubSub = { publish: unused, subscribe: unused };

function unused(): never {
  throw new Error("Subscriptions are opened by their resolver's `sources`.");
}

/** Lets each subscription open its source. @throws Error that names the subscriptions without a source */
export function attachEventSources(schema: GraphQLSchema, instances: readonly object[]): void {
  const sources = Object.assign(
    {},
    ...instances.map((instance) => ('sources' in instance ? instance.sources : {})),
  ) as EventSources['sources'];
  const fields = Object.entries(schema.getSubscriptionType()?.getFields() ?? {});
  const missing = fields.filter(([name]) => !Object.hasOwn(sources, name)).map(([name]) => name);
  if (missing.length > 0)
    throw new Error(`No resolver opens the subscriptions ${missing.join(', ')}; add them to its \`sources\`.`);
  for (const [name, field] of fields) {
    const open = sources[name];
    if (open) field.subscribe = (_parent, args: Record<string, unknown>, context: Context) => open(args, context);
  }
}

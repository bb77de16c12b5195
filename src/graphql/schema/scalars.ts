import { GraphQLScalarType } from 'graphql';
import { GraphQLDate as LibraryDate, GraphQLDateTime as LibraryDateTime } from 'graphql-scalars';
import { InvalidScalar } from './invalid-scalar.js';

/** A day. Inputs are midnight in UTC; results are `YYYY-MM-DD`. */
export const GraphQLDate = specified(LibraryDate, {
  description: 'A day, such as 2007-12-03: a full-date of RFC 3339.',
  form: 'a day such as 2007-12-03, without a time',
});
const { serialize: serializeDay } = GraphQLDate;
GraphQLDate.serialize = (value) => {
  if (typeof value === 'string' && knownDays.has(value)) return value;
  const day = serializeDay(value);
  if (knownDays.size >= maxKnownDays) knownDays.clear();
  knownDays.add(day);
  return day;
};

/** Results that the library has checked, which takes longer than everything else about a day. Lists repeat them. */
const knownDays = new Set<string>();
const maxKnownDays = 4_096;

/** A point in time. Results are in UTC. */
export const GraphQLDateTime = specified(LibraryDateTime, {
  description: 'A point in time, such as 2007-12-03T10:15:30Z: a date-time of RFC 3339, in results with the zone Z.',
  form: 'a time with a zone such as 2007-12-03T10:15:30Z or 2007-12-03T11:15:30+01:00',
});

/** A scalar of RFC 3339, section 5.6, whose errors state the form that it accepts. */
function specified<Internal, External>(
  scalar: GraphQLScalarType<Internal, External>,
  { description, form }: { description: string; form: string },
): GraphQLScalarType<Internal, External> {
  const config = scalar.toConfig();
  /** @throws InvalidScalar */
  const parsed = (parse: () => Internal): Internal => {
    try {
      return parse();
    } catch {
      throw new InvalidScalar(`${scalar.name} must be ${form}.`);
    }
  };
  return new GraphQLScalarType({
    ...config,
    description,
    specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339#section-5.6',
    parseValue: (value) => parsed(() => config.parseValue(value)),
    parseLiteral: (node, variables) => parsed(() => config.parseLiteral(node, variables)),
  });
}

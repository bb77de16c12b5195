import { GraphQLError } from 'graphql';

/** A value that a scalar rejects. The message says what is accepted, and has no part of the value. */
export class InvalidScalar extends GraphQLError {}

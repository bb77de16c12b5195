import { rowById } from '../../graphql/loaders.js';
import { usersById } from './user.queries.js';

/** A user by id; null if unknown. */
export const userById = rowById(usersById);

import { rowById } from '../../graphql/loaders.js';
import { apiKeysById, usersById } from './user.queries.js';

/** A user by id; null if unknown. */
export const userById = rowById(usersById);

/** An API key by id, whoever it belongs to; null if unknown. */
export const apiKeyById = rowById(apiKeysById);

import { countByOwner, pageByOwner } from '../../graphql/loaders.js';
import { countPredictionsByUser, predictionPagesByUser } from './prediction.queries.js';

/** A page of a user's predictions. */
export const predictionsOfUser = pageByOwner(predictionPagesByUser, (prediction) => prediction.userId);

/** How many predictions a user has asked for. */
export const predictionCountOfUser = countByOwner(countPredictionsByUser);

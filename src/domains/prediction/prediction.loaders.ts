import { countByOwner, pageByOwner, rowById } from '../../graphql/loaders.js';
import { countPredictionsByUser, predictionPagesByUser, predictionsById } from './prediction.queries.js';

/** A prediction by id, whosever it is; null if unknown. */
export const predictionById = rowById(predictionsById);

/** A page of a user's predictions. */
export const predictionsOfUser = pageByOwner(predictionPagesByUser, (prediction) => prediction.userId);

/** How many predictions a user has asked for. */
export const predictionCountOfUser = countByOwner(countPredictionsByUser);

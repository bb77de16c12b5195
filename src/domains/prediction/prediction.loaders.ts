import { countByOwner, pageByOwner, rowById } from '../../graphql/context/loader-factories.js';
import { countPredictionsByUser, predictionPagesByUser, predictionsById } from './prediction.queries.js';

/** A prediction by id, of any owner; null if unknown. */
export const predictionById = rowById(predictionsById);

/** A page of a user's predictions. */
export const predictionsOfUser = pageByOwner(predictionPagesByUser, (prediction) => prediction.userId);

/** The number of a user's predictions. */
export const predictionCountOfUser = countByOwner(countPredictionsByUser);

import { countByOwner, loadersByShape, pageByOwner, rowById } from '../../graphql/context/loader-factories.js';
import {
  countPredictionsByUser,
  predictionPagesByUser,
  predictionRows,
  predictionsById,
} from './prediction.queries.js';

/** A prediction by id, of any owner; null if unknown. */
export const predictionById = loadersByShape({ type: 'Prediction', rows: predictionRows, always: ['userId'] }, (row) =>
  rowById((db, ids) => predictionsById(db, ids, row), 'predictionsById'),
);

/** A page of a user's predictions. */
export const predictionsOfUser = loadersByShape(
  { type: 'Prediction', rows: predictionRows, always: ['userId'] },
  (row) =>
    pageByOwner(
      (db, userIds, page) => predictionPagesByUser(db, userIds, page, row),
      (prediction) => prediction.userId,
      'predictionsOfUser',
    ),
);

/** The number of a user's predictions. */
export const predictionCountOfUser = countByOwner(countPredictionsByUser);

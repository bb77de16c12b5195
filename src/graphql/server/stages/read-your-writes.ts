import type { ReadYourWrites } from '../../context/read-your-writes.js';
import { isMutation } from './after-response.js';
import type { Stage } from './stage.js';

/** Reads mutations from the primary, and for a while after one everything else that its viewer reads. */
export const readYourWritesStage = (readYourWrites: ReadYourWrites): Stage => ({
  begin: () => ({
    respond: async (request) => {
      const { contextValue } = request;
      const { viewer } = contextValue;
      const userId = viewer.kind === 'anonymous' ? null : viewer.userId;
      if (isMutation(request)) {
        contextValue.readFromPrimary();
        // Also at the start: a caller may look at the result without waiting for the response.
        if (userId !== null) void readYourWrites.pin(userId);
      } else if (userId !== null && (await readYourWrites.isPinned(userId))) {
        contextValue.readFromPrimary();
      }
      return null;
    },
    complete: async (request) => {
      const { viewer } = request.contextValue;
      if (isMutation(request) && viewer.kind !== 'anonymous') await readYourWrites.pin(viewer.userId);
    },
  }),
});

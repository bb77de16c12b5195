/**
 * Options of an LRU cache with a limited number of entries. Given `max` instead, lru-cache allocates the memory of all of them when it is
 * created: 5 MB for 100,000.
 */
export const entryLimit = (maxEntries: number): { maxSize: number; sizeCalculation: () => number } => ({
  maxSize: maxEntries,
  sizeCalculation: () => 1,
});

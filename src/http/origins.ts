/** An origin as browsers send it, or a pattern of origins. */
type OriginPattern = string | RegExp;

/** Translates `http://localhost:*` to a pattern with any port; other origins stay as they are. */
export const originPatterns = (origins: readonly string[]): OriginPattern[] =>
  origins.map((origin) =>
    origin.endsWith(':*')
      ? new RegExp(`^${origin.slice(0, -2).replaceAll(/[^\w/:-]/g, String.raw`\$&`)}(?::\\d{1,5})?$`)
      : origin,
  );

/** Whether pages of an origin may send requests. */
export const isOriginAllowed = (origin: string, origins: readonly string[]): boolean =>
  originPatterns(origins).some((pattern) => (typeof pattern === 'string' ? pattern === origin : pattern.test(origin)));

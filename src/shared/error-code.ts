/** The system's name for what went wrong, such as `ENOENT`, or PostgreSQL's SQLSTATE. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

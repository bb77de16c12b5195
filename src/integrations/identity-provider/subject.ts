/** Whether a claim identifies a user: up to 255 characters of ASCII (OpenID Connect Core, 2). */
export const isSubject = (subject: string): boolean => /^[\x20-\x7E]{1,255}$/.test(subject);

import { ApolloServerValidationErrorCode } from '@apollo/server/errors';
import { GraphQLError } from 'graphql';
import { Role, type Viewer } from '../../auth/viewer.js';

/**
 * Rejects introspection where it is closed, except by an administrator.
 * @throws GraphQLError with the codes by which tools such as Apollo Sandbox recognize closed introspection
 */
export function assertMayIntrospect(viewer: Viewer): void {
  if (viewer.kind !== 'anonymous' && viewer.role === Role.ADMIN) return;
  throw new GraphQLError(
    'Introspection is closed; it needs the role ADMIN, or INTROSPECTION=true in the configuration of the gateway.',
    {
      extensions: {
        code: 'GRAPHQL_VALIDATION_FAILED',
        validationErrorCode: ApolloServerValidationErrorCode.INTROSPECTION_DISABLED,
        http: { status: 400 },
      },
    },
  );
}

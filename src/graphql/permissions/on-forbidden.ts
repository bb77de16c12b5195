import { registerEnumType } from 'type-graphql';

/** What a field returns that the viewer may not see. */
export enum OnForbidden {
  FAIL = 'FAIL',
  NULL = 'NULL',
}
registerEnumType(OnForbidden, {
  name: 'OnForbidden',
  description: 'What a field returns that the viewer may not see.',
  valuesConfig: {
    FAIL: { description: 'Null with a FORBIDDEN error.' },
    NULL: { description: 'Null without an error.' },
  },
});

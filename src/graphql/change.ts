import { registerEnumType } from 'type-graphql';

/** What became of something. */
export enum ChangeKind {
  CREATED = 'CREATED',
  UPDATED = 'UPDATED',
  DELETED = 'DELETED',
}
registerEnumType(ChangeKind, {
  name: 'ChangeKind',
  description: 'What became of something.',
  valuesConfig: {
    CREATED: { description: 'It is new.' },
    UPDATED: { description: 'It is not as it was.' },
    DELETED: { description: 'It is there no more.' },
  },
});

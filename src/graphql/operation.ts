import { OperationTypeNode, type OperationDefinitionNode } from 'graphql';

/** Whether a request is for a mutation. Where its document has no operation of the name that was asked for, there is none, whatever Apollo's types say. */
export const isMutation = ({ operation }: { operation?: OperationDefinitionNode | undefined }): boolean => operation?.operation === OperationTypeNode.MUTATION;

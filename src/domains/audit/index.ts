import { loading, rowById } from '../../graphql/context/loader-factories.js';
import type { DomainModule } from '../../graphql/module.js';
import { AuditChainLink, AuditEventRecord } from './audit-event.entity.js';
import { auditPermissions } from './audit.permissions.js';
import { auditEventsById } from './audit.queries.js';
import { AuditResolver } from './audit.resolver.js';

/** The audit log: who did what, from where, and how it ended. */
export const auditDomain: DomainModule = {
  name: 'audit',
  entities: [AuditEventRecord, AuditChainLink],
  resolvers: [AuditResolver],
  permissions: auditPermissions,
  load: () => ({
    resolvers: [new AuditResolver()],
    nodes: { auditevent: { type: 'AuditEvent', readAs: 'auditLog', read: loading(rowById(auditEventsById)) } },
  }),
};

declare module '../../graphql/relay/global-id.js' {
  interface IdPrefixes {
    auditevent: true;
  }
}

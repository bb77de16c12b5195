import { loadDemoData } from '../../packages/demo-data/src/index.ts';
import type { Database } from '../../src/database/tables.js';
import { newDemoAccounts } from '../../src/domains/user/demo-accounts.js';

/** Loads the demo data as the gateway does. */
export const loadDemoAccounts = (db: Database): Promise<void> => loadDemoData(db, newDemoAccounts);

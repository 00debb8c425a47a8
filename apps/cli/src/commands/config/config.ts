import { entry, group } from '../../command/command.ts';

const metadata = group({ short: 'Manage instance metadata files' }, [
  entry('edit', [], () => import('./metadata.ts').then((m) => m.metadataEdit)),
  entry('show', [], () => import('./metadata.ts').then((m) => m.metadataShow)),
]);

const template = group({ short: 'Manage instance file templates' }, [
  entry('create', [], () => import('./template.ts').then((m) => m.templateCreate)),
  entry('delete', ['rm'], () => import('./template.ts').then((m) => m.templateDelete)),
  entry('edit', [], () => import('./template.ts').then((m) => m.templateEdit)),
  entry('list', [], () => import('./template.ts').then((m) => m.templateList)),
  entry('show', [], () => import('./template.ts').then((m) => m.templateShow)),
]);

const trust = group({ short: 'Manage trusted clients' }, [
  entry('add', [], () => import('./trust.ts').then((m) => m.trustAdd)),
  entry('edit', [], () => import('./trust.ts').then((m) => m.trustEdit)),
  entry('list', ['ls'], () => import('./trust.ts').then((m) => m.trustList)),
  entry('list-tokens', [], () => import('./trust-tokens.ts').then((m) => m.trustListTokens)),
  entry('remove', ['rm'], () => import('./trust.ts').then((m) => m.trustRemove)),
  entry('revoke-token', [], () => import('./trust-tokens.ts').then((m) => m.trustRevokeToken)),
  entry('show', [], () => import('./trust.ts').then((m) => m.trustShow)),
]);

export const config = group({ short: 'Manage instance and server configuration options' }, [
  entry('device', [], () => import('./device.ts').then((m) => m.instanceDevices)),
  entry('edit', [], () => import('./document.ts').then((m) => m.configEdit)),
  entry('get', [], () => import('./values.ts').then((m) => m.configGet)),
  entry('metadata', [], async () => metadata),
  entry('set', [], () => import('./values.ts').then((m) => m.configSet)),
  entry('show', [], () => import('./document.ts').then((m) => m.configShow)),
  entry('template', [], async () => template),
  entry('trust', [], async () => trust),
  entry('unset', [], () => import('./values.ts').then((m) => m.configUnset)),
]);

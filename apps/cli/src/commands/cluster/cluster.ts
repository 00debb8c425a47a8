import { entry, group } from '../../command/command.ts';

const member = () => import('./member.ts');
const values = () => import('./member-values.ts');
const manage = () => import('./manage.ts');
const tokens = () => import('./tokens.ts');

const role = group({ short: 'Manage cluster roles' }, [
  entry('add', [], () => import('./role.ts').then((m) => m.roleAdd)),
  entry('remove', [], () => import('./role.ts').then((m) => m.roleRemove)),
]);

export const cluster = group({ short: 'Manage cluster members' }, [
  entry('add', [], () => tokens().then((m) => m.clusterAdd)),
  entry('edit', [], () => values().then((m) => m.memberEdit)),
  entry('enable', [], () => manage().then((m) => m.clusterEnable)),
  entry('evacuate', ['evac'], () => member().then((m) => m.memberEvacuate)),
  entry('get', [], () => values().then((m) => m.memberGet)),
  entry('group', [], () => import('./group.ts').then((m) => m.clusterGroup)),
  entry('info', [], () => values().then((m) => m.memberInfo)),
  entry('list', ['ls'], () => manage().then((m) => m.clusterList)),
  entry('list-tokens', [], () => tokens().then((m) => m.clusterListTokens)),
  entry('remove', ['rm'], () => member().then((m) => m.memberRemove)),
  entry('rename', ['mv'], () => member().then((m) => m.memberRename)),
  entry('restore', [], () => member().then((m) => m.memberRestore)),
  entry('revoke-token', [], () => tokens().then((m) => m.clusterRevokeToken)),
  entry('role', [], async () => role),
  entry('set', [], () => values().then((m) => m.memberSet)),
  entry('show', [], () => values().then((m) => m.memberShow)),
  entry('unset', [], () => values().then((m) => m.memberUnset)),
  entry('update-certificate', ['update-cert'], () => manage().then((m) => m.clusterUpdateCertificate)),
]);

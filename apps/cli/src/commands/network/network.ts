import { entry, group } from '../../command/command.ts';

const attach = () => import('./attach.ts');
const manage = () => import('./manage.ts');
const values = () => import('./values.ts');

export const network = group({ short: 'Manage and attach instances to networks' }, [
  entry('acl', [], () => import('./acl.ts').then((m) => m.acl)),
  entry('attach', [], () => attach().then((m) => m.networkAttach)),
  entry('attach-profile', [], () => attach().then((m) => m.networkAttachProfile)),
  entry('create', [], () => manage().then((m) => m.networkCreate)),
  entry('delete', ['rm'], () => manage().then((m) => m.networkDelete)),
  entry('detach', [], () => attach().then((m) => m.networkDetach)),
  entry('detach-profile', [], () => attach().then((m) => m.networkDetachProfile)),
  entry('edit', [], () => values().then((m) => m.networkEdit)),
  entry('forward', [], () => import('./forward.ts').then((m) => m.forward)),
  entry('get', [], () => values().then((m) => m.networkGet)),
  entry('info', [], () => import('./info.ts').then((m) => m.networkInfo)),
  entry('list', ['ls'], () => manage().then((m) => m.networkList)),
  entry('list-leases', [], () => import('./info.ts').then((m) => m.networkListLeases)),
  entry('load-balancer', [], () => import('./load-balancer.ts').then((m) => m.loadBalancer)),
  entry('peer', [], () => import('./peer.ts').then((m) => m.peer)),
  entry('rename', ['mv'], () => manage().then((m) => m.networkRename)),
  entry('set', [], () => values().then((m) => m.networkSet)),
  entry('show', [], () => values().then((m) => m.networkShow)),
  entry('unset', [], () => values().then((m) => m.networkUnset)),
  entry('zone', [], () => import('./zone.ts').then((m) => m.zone)),
]);

import { editCommand, getCommand, setCommand, showCommand, unsetCommand } from '../common/object.ts';
import { profileKind } from './kind.ts';

export const profileGet = getCommand(profileKind, { short: 'Get values for profile configuration keys' });
export const profileSet = setCommand(
  profileKind,
  {
    short: 'Set profile configuration keys',
    long: `For backward compatibility, a single configuration key may still be set with:
    lxc profile set [<remote>:]<profile> <key> <value>`,
  },
  '<key><value>...',
);
export const profileUnset = unsetCommand(profileKind, { short: 'Unset profile configuration keys' });
export const profileShow = showCommand(profileKind, { short: 'Show profile configurations' });
export const profileEdit = editCommand(
  profileKind,
  {
    short: 'Edit profile configurations as YAML',
    examples: `lxc profile edit <profile> < profile.yaml
    Update a profile using the content of profile.yaml`,
  },
  `### This is a YAML representation of the profile.
### Any line starting with a '# will be ignored.
###
### A profile consists of a set of configuration items followed by a set of
### devices.
###
### An example would look like:
### name: onenic
### config:
###   raw.lxc: lxc.aa_profile=unconfined
### devices:
###   eth0:
###     nictype: bridged
###     parent: lxdbr0
###     type: nic
###
### Note that the name is shown but cannot be changed`,
);

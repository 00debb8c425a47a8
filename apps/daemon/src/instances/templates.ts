import { badRequest, isTrue, type MountedVolume, messageOf } from '@lxd-ts/driver-kit';
import { isErrno, openRoot, type Root } from '@lxd-ts/host';
import { type Metadata, openImageRoot, readMetadata, type TemplateRule } from '../images/metadata.ts';
import type { Instance } from './instance.ts';
import { renderTemplate } from './pongo2/template.ts';
import { textOf, type ValueMap } from './pongo2/value.ts';

/** What makes a template run. `rename` is in documented samples and never happens by itself (spec 04.155). */
export type TemplateTrigger = 'create' | 'copy' | 'rename' | 'start';

const contextOf = (instance: Instance, path: string, rule: TemplateRule, trigger: TemplateTrigger): ValueMap => {
  const { config, devices } = instance.expanded;
  const about = {
    name: instance.name,
    type: instance.type,
    architecture: instance.architecture,
    privileged: String(isTrue(config['security.privileged'])),
    ephemeral: String(instance.ephemeral),
  };
  return {
    trigger,
    path,
    instance: about,
    // The name in images made for older servers.
    container: about,
    config,
    devices,
    properties: rule.properties,
    config_get: (key, fallback) => config[textOf(key)] ?? fallback,
  };
};

/** Opens the target: existing files keep owner and mode, new ones belong to the container's root. */
const openTarget = async (root: Root, path: string, createOnly: boolean) => {
  const { uid, gid } = root.stat('/');
  const owner = { uid, gid };
  root.mkdirAll(path.slice(0, path.lastIndexOf('/')) || '/', owner);
  try {
    return await root.create(path, { ...owner, mode: 0o644, exclusive: createOnly });
  } catch (error) {
    if (createOnly && isErrno(error, 'EEXIST')) return undefined;
    if (!isErrno(error, 'ENOENT') || !root.lstat(path).isSymbolicLink()) throw error;
    // A link to what is made at run time only (/run is empty now): the file takes its place.
    root.unlink(path);
    return root.create(path, { ...owner, mode: 0o644, exclusive: true });
  }
};

const readTemplate = async (image: Root, name: string): Promise<string> => {
  if (name.includes('/')) throw badRequest(`Invalid template filename "${name}"`);
  await using file = await image.open(`templates/${name}`);
  return await file.readFile('utf8');
};

/**
 * Writes the files of an instance's templates for one trigger (spec 04.142–152).
 *
 * @param volume - the root volume, mounted; file owners as on disk
 * @throws LxdError bad-request naming the template that is wrong
 */
export const applyTemplates = async (
  instance: Instance,
  volume: MountedVolume,
  metadata: Metadata,
  trigger: TemplateTrigger,
): Promise<void> => {
  const rules = Object.entries(metadata.templates).filter(([, rule]) => rule.when.includes(trigger));
  if (rules.length === 0) return;
  using image = openImageRoot(volume.path);
  using root = openRoot(`${volume.path}/rootfs`);
  for (const [path, rule] of rules) {
    try {
      if (rule.create_only && root.exists(path)) continue;
      const content = renderTemplate(
        await readTemplate(image, rule.template),
        contextOf(instance, path, rule, trigger),
      );
      await using file = await openTarget(root, path, rule.create_only);
      await file?.writeFile(content);
    } catch (error) {
      throw badRequest(`Template "${rule.template}" for "${path}" cannot be applied: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
};

/**
 * Runs the templates that are due before a start: those of the trigger on record, then those of every start.
 *
 * @returns the volatile keys to change
 */
export const prepareTemplates = async (
  instance: Instance,
  volume: MountedVolume,
): Promise<Readonly<Record<string, string>>> => {
  // Virtual machines get theirs through the agent, once they run.
  if (instance.type !== 'container') return {};
  using image = openImageRoot(volume.path);
  const metadata = await readMetadata(image);
  if (!metadata) return {};
  const due = instance.config['volatile.apply_template'];
  if (due === 'create' || due === 'copy' || due === 'rename') await applyTemplates(instance, volume, metadata, due);
  await applyTemplates(instance, volume, metadata, 'start');
  return due === undefined ? {} : { 'volatile.apply_template': '' };
};

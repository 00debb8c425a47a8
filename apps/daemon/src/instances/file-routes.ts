import { posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { instanceUrl } from '@lxd-ts/api';
import { badRequest } from '@lxd-ts/driver-kit';
import type { Events } from '../events/bus.ts';
import { done, type Reply, stream, sync, text } from '../http/reply.ts';
import { type ApiRequest, param, readBody } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { FileInfo, FileOwner, InstanceFiles } from './files.ts';
import type { Instance } from './instance.ts';
import type { InstanceService } from './service.ts';
import { instanceTrees } from './trees.ts';

/** The longest target a symlink can have (PATH_MAX). */
const maxTarget = 4096;

const pathOf = (request: ApiRequest): string => {
  const path = request.query.get('path');
  if (!path) throw badRequest('Missing path argument');
  if (path.includes('\0')) throw badRequest('A path cannot hold a NUL character');
  return posix.normalize(`/${path}`);
};

const header = (request: ApiRequest, name: string): string | undefined => {
  const value = request.incoming.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const idOf = (request: ApiRequest, name: string): number | undefined => {
  const value = header(request, name);
  if (value === undefined || value === '') return undefined;
  const id = Number(value);
  // Clients send -1 for an id they do not mean to set.
  if (id === -1) return undefined;
  if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff)
    throw badRequest(`Invalid header ${name}: "${value}" is not an id`);
  return id;
};

/** The mode: octal digits, with or without a leading 0 or 0o. */
const modeOf = (request: ApiRequest): number | undefined => {
  const value = header(request, 'x-lxd-mode');
  if (value === undefined || value === '') return undefined;
  const digits = /^(?:0o)?([0-7]{1,5})$/.exec(value)?.[1];
  if (digits === undefined) throw badRequest(`Invalid header X-LXD-mode: "${value}" is not an octal mode such as 0644`);
  return Number.parseInt(digits, 8) & 0o7777;
};

const ownerOf = (request: ApiRequest): FileOwner => {
  const [uid, gid, mode] = [idOf(request, 'x-lxd-uid'), idOf(request, 'x-lxd-gid'), modeOf(request)];
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mode === undefined ? {} : { mode }),
  };
};

/** The word for a type; what cannot be transferred counts as a file, as in LXD. */
const typeWord = ({ type }: FileInfo): string => (type === 'directory' || type === 'symlink' ? type : 'file');

/** A time as Go prints it: `2026-11-22 00:05:18 +0000 UTC`. */
const goTime = (date: Date): string => `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;

const headersOf = (info: FileInfo): Record<string, string> => ({
  'X-LXD-uid': String(info.uid),
  'X-LXD-gid': String(info.gid),
  'X-LXD-mode': `0${info.mode.toString(8)}`,
  'X-LXD-type': typeWord(info),
  'X-LXD-modified': goTime(info.modified),
});

export const fileRoutes = (
  router: Router,
  instances: InstanceService,
  events: Events,
  openFilesOf: (instance: Instance) => Promise<InstanceFiles>,
): void => {
  const open = async (request: ApiRequest) => {
    const instance = await instances.get(request.project, param(request, 'name'));
    const path = pathOf(request);
    return { instance, path, files: await openFilesOf(instance) };
  };

  const get = async (request: ApiRequest): Promise<Reply> => {
    const { instance, path, files } = await open(request);
    let handedOver = false;
    try {
      const info = files.stat(path);
      const headers = headersOf(info);
      const audit = () =>
        events.lifecycle('instance-file-retrieved', instanceUrl(instance.name), instance.project, {
          'file-source': path,
          'file-destination': '',
        });
      if (info.type === 'directory') {
        const names = request.method === 'HEAD' ? [] : files.list(path);
        audit();
        return sync(names, undefined, headers);
      }
      const type = {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': `inline;filename=${encodeURIComponent(posix.basename(path))}`,
      };
      if (request.method === 'HEAD') return text('', { ...headers, 'Content-Type': 'application/json' });
      audit();
      if (info.type === 'symlink') return text(files.readlink(path), { ...headers, ...type });
      const file = await files.read(path);
      handedOver = true;
      return stream(async (response) => {
        await using _files = files;
        await using _file = file;
        response.writeHead(200, {
          ...headers,
          ...type,
          'Content-Length': file.size,
          'Last-Modified': info.modified.toUTCString(),
        });
        let sent = 0;
        file.stream.on('data', (chunk: Buffer) => {
          sent += chunk.length;
        });
        await pipeline(file.stream, response, { end: false });
        // A file that shrank meanwhile cannot keep what its length has promised: the client must see that it broke off.
        if (sent < file.size) response.destroy();
        else response.end();
      });
    } finally {
      if (!handedOver) await files[Symbol.asyncDispose]();
    }
  };

  const post = async (request: ApiRequest): Promise<Reply> => {
    const { instance, path, files: opened } = await open(request);
    await using files = opened;
    const owner = ownerOf(request);
    const type = header(request, 'x-lxd-type') || 'file';
    const mode = header(request, 'x-lxd-write') || 'overwrite';
    if (mode !== 'overwrite' && mode !== 'append')
      throw badRequest(`Bad file write mode: ${mode} (use overwrite or append)`);
    switch (type) {
      case 'file':
        await files.write(path, request.incoming, owner, mode === 'append');
        break;
      case 'directory':
        files.mkdir(path, owner);
        break;
      case 'symlink':
        files.symlink(path, await readBody(request.incoming, maxTarget), owner);
        break;
      default:
        throw badRequest(`Bad file type: ${type} (use file, directory or symlink)`);
    }
    events.lifecycle('instance-file-pushed', instanceUrl(instance.name), instance.project, {
      'file-source': '',
      'file-destination': path,
      info: headersOf(files.stat(path)),
    });
    return done();
  };

  const remove = async (request: ApiRequest): Promise<Reply> => {
    const { instance, path, files: opened } = await open(request);
    await using files = opened;
    files.remove(path);
    events.lifecycle('instance-file-deleted', instanceUrl(instance.name), instance.project, { file: path });
    return done();
  };

  for (const { base } of instanceTrees) {
    router.on('GET', `${base}/:name/files`, get);
    router.on('POST', `${base}/:name/files`, post);
    router.on('DELETE', `${base}/:name/files`, remove);
  }
};

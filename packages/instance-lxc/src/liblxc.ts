/** The one function of liblxc that its tools do not do justice to: running a command in a container (lxc/lxccontainer.h). */
import koffi from 'koffi';

/** LXC_ATTACH_DEFAULT of lxc/attach_options.h: all of cgroup, capabilities, personality and security module. */
const ATTACH_DEFAULT = 0xffff;
const ALL_NAMESPACES = -1;
const DETECT_PERSONALITY = -1;
const CLEAR_ENVIRONMENT = 1;
const NO_LOG = -9; // -EBADF

export interface AttachOptions {
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** `NAME=value`. */
  readonly environment: readonly string[];
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** What to execute; a name without `/` is searched in PATH. */
  readonly program: string;
  readonly argv: readonly string[];
  /** The container's configuration file, for what the monitor does not tell: whether filters are stacked. */
  readonly configFile?: string;
}

/** Starts a command in a container and gives its pid, of which the caller is the parent. Runs on a thread of its own. */
export type Attach = (lxcPath: string, name: string, options: AttachOptions) => Promise<number>;

/** Members of struct lxc_container in their order, up to the one that is called. */
const dataMembers = {
  name: 'char *',
  configfile: 'char *',
  pidfile: 'char *',
  slock: 'void *',
  privlock: 'void *',
  numthreads: 'int',
  lxc_conf: 'void *',
  error_string: 'char *',
  error_num: 'int',
  daemonize: 'bool',
  config_path: 'char *',
} as const;
const methods =
  'is_defined state is_running freeze unfreeze init_pid load_config start startl stop want_daemonize want_close_all_fds \
config_file_name wait set_config_item destroy save_config create createl rename reboot shutdown clear_config clear_config_item \
get_config_item get_running_config_item get_keys get_interfaces get_ips get_cgroup_item set_cgroup_item get_config_path \
set_config_path clone console_getfd console attach';

/** Loads liblxc. @throws when it is not installed */
export const loadLiblxc = (): Attach => {
  const library = koffi.load('liblxc.so.1');
  const container = koffi.struct({
    ...dataMembers,
    ...Object.fromEntries(methods.split(/\s+/).map((method) => [method, 'void *'])),
  });
  const attachOptions = koffi.struct({
    attach_flags: 'int',
    namespaces: 'int',
    personality: 'long',
    initial_cwd: 'char *',
    uid: 'uint32_t',
    gid: 'uint32_t',
    env_policy: 'int',
    extra_env_vars: 'char **',
    extra_keep_env: 'char **',
    stdin_fd: 'int',
    stdout_fd: 'int',
    stderr_fd: 'int',
    log_fd: 'int',
    lsm_label: 'char *',
    groups: koffi.struct({ size: 'size_t', list: 'void *' }),
  });
  const attachCommand = koffi.struct({ program: 'char *', argv: 'char **' });
  const open = library.func('void *lxc_container_new(const char *name, const char *path)');
  const put = library.func('int lxc_container_put(void *container)');
  const runCommand = library.symbol('lxc_attach_run_command', 'void *');
  const attachType = koffi.proto('int', [
    'void *',
    'void *',
    koffi.pointer(attachCommand),
    koffi.pointer(attachOptions),
    koffi.out(koffi.pointer('int')),
  ]);

  const loadConfigType = koffi.proto('bool', ['void *', 'const char *']);

  return (lxcPath, name, { configFile, cwd, uid, gid, environment, stdin, stdout, stderr, program, argv }) =>
    new Promise((resolve, reject) => {
      const handle: unknown = open(name, lxcPath);
      const { attach, load_config: loadConfig }: { attach: unknown; load_config: unknown } = koffi.decode(
        handle,
        container,
      );
      if (configFile !== undefined) koffi.decode(loadConfig, loadConfigType)(handle, configFile);
      const pid = [0];
      const options = {
        attach_flags: ATTACH_DEFAULT,
        namespaces: ALL_NAMESPACES,
        personality: DETECT_PERSONALITY,
        initial_cwd: cwd,
        uid,
        gid,
        env_policy: CLEAR_ENVIRONMENT,
        extra_env_vars: [...environment, null],
        extra_keep_env: null,
        stdin_fd: stdin,
        stdout_fd: stdout,
        stderr_fd: stderr,
        log_fd: NO_LOG,
        lsm_label: null,
        groups: { size: 0, list: null },
      };
      const command = { program, argv: [...argv, null] };
      const call = koffi.decode(attach, attachType);
      call.async(handle, runCommand, command, options, pid, (error: unknown, result: number) => {
        put(handle);
        if (error) reject(error);
        else if (result !== 0 || pid[0] === undefined || pid[0] <= 0) {
          reject(new Error('liblxc could not enter the container'));
        } else resolve(pid[0]);
      });
    });
};

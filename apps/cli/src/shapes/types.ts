/** The parts of API objects that the client reads; what it only passes on stays as the server sent it. */

export type Config = Record<string, string>;
export type Devices = Record<string, Config>;

export interface Instance {
  name: string;
  description: string;
  architecture: string;
  config: Config;
  devices: Devices;
  ephemeral: boolean;
  profiles: string[];
  stateful: boolean;
  created_at: string;
  expanded_config: Config;
  expanded_devices: Devices;
  last_used_at: string;
  location: string;
  project: string;
  status: string;
  status_code: number;
  type: 'container' | 'virtual-machine';
}

export interface InstanceState {
  status: string;
  status_code: number;
  disk: Record<string, { usage: number; total?: number }> | null;
  memory: { usage: number; usage_peak: number; swap_usage: number; swap_usage_peak: number; total?: number };
  network: Record<string, NetworkInterface> | null;
  pid: number;
  processes: number;
  cpu: { usage: number };
}

export interface NetworkInterface {
  addresses: { family: string; address: string; netmask: string; scope: string }[];
  counters: { bytes_received: number; bytes_sent: number; packets_received: number; packets_sent: number };
  hwaddr: string;
  host_name?: string;
  mtu: number;
  state: string;
  type?: string;
}

export interface Snapshot {
  name: string;
  created_at: string;
  expires_at: string;
  stateful: boolean;
}

export interface Backup {
  name: string;
  created_at: string;
  expires_at: string;
  instance_only: boolean;
  optimized_storage: boolean;
}

export interface InstanceFull extends Instance {
  backups: Backup[] | null;
  snapshots: Snapshot[] | null;
  state: InstanceState | null;
}

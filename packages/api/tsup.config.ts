import { library } from '@lxd-ts/tooling/tsup';
import { defineConfig } from 'tsup';

export default defineConfig(
  library({
    index: 'src/index.ts',
    certificates: 'src/certificates.ts',
    cluster: 'src/cluster.ts',
    envelope: 'src/envelope.ts',
    errors: 'src/errors.ts',
    events: 'src/events.ts',
    expiry: 'src/expiry.ts',
    extensions: 'src/extensions.ts',
    filter: 'src/filter.ts',
    images: 'src/images.ts',
    init: 'src/init.ts',
    instances: 'src/instances.ts',
    networks: 'src/networks.ts',
    operations: 'src/operations.ts',
    profiles: 'src/profiles.ts',
    projects: 'src/projects.ts',
    resources: 'src/resources.ts',
    schema: 'src/schema.ts',
    server: 'src/server.ts',
    status: 'src/status.ts',
    storage: 'src/storage.ts',
    time: 'src/time.ts',
    units: 'src/units.ts',
    warnings: 'src/warnings.ts',
  }),
);

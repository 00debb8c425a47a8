export default /* sql */ `
CREATE TABLE "certificates" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"fingerprint" text NOT NULL,
	"type" text NOT NULL,
	"name" text NOT NULL,
	"certificate" text NOT NULL,
	"restricted" integer DEFAULT false NOT NULL
);
CREATE UNIQUE INDEX "certificates_fingerprint_unique" ON "certificates" ("fingerprint");
CREATE TABLE "certificates_projects" (
	"certificate_id" integer NOT NULL,
	"project_id" integer NOT NULL,
	PRIMARY KEY("certificate_id", "project_id"),
	FOREIGN KEY ("certificate_id") REFERENCES "certificates"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "certificates_projects_project" ON "certificates_projects" ("project_id");
CREATE TABLE "cluster_groups" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL
);
CREATE UNIQUE INDEX "cluster_groups_name_unique" ON "cluster_groups" ("name");
CREATE TABLE "config" (
	"key" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
CREATE TABLE "images" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"project_id" integer NOT NULL,
	"fingerprint" text NOT NULL,
	"filename" text NOT NULL,
	"size" integer NOT NULL,
	"public" integer DEFAULT false NOT NULL,
	"auto_update" integer DEFAULT false NOT NULL,
	"cached" integer DEFAULT false NOT NULL,
	"type" text NOT NULL,
	"architecture" text NOT NULL,
	"creation_date" integer,
	"expiry_date" integer,
	"upload_date" integer NOT NULL,
	"last_use_date" integer,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE INDEX "images_by_fingerprint" ON "images" ("fingerprint");
CREATE UNIQUE INDEX "images_fingerprint" ON "images" ("project_id","fingerprint");
CREATE TABLE "images_aliases" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"image_id" integer NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action,
	FOREIGN KEY ("image_id") REFERENCES "images"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "images_aliases_image" ON "images_aliases" ("image_id");
CREATE UNIQUE INDEX "images_aliases_name" ON "images_aliases" ("project_id","name");
CREATE TABLE "images_nodes" (
	"image_id" integer NOT NULL,
	"node_id" integer NOT NULL,
	PRIMARY KEY("image_id", "node_id"),
	FOREIGN KEY ("image_id") REFERENCES "images"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "images_nodes_node" ON "images_nodes" ("node_id");
CREATE TABLE "images_profiles" (
	"image_id" integer NOT NULL,
	"profile_id" integer NOT NULL,
	"apply_order" integer NOT NULL,
	PRIMARY KEY("image_id", "profile_id"),
	FOREIGN KEY ("image_id") REFERENCES "images"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("profile_id") REFERENCES "profiles"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "images_profiles_profile" ON "images_profiles" ("profile_id");
CREATE TABLE "images_properties" (
	"image_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("image_id", "key"),
	FOREIGN KEY ("image_id") REFERENCES "images"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "images_source" (
	"image_id" integer PRIMARY KEY NOT NULL,
	"server" text NOT NULL,
	"protocol" text NOT NULL,
	"certificate" text DEFAULT '' NOT NULL,
	"alias" text NOT NULL,
	FOREIGN KEY ("image_id") REFERENCES "images"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "instances" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"node_id" integer NOT NULL,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"architecture" text NOT NULL,
	"type" text NOT NULL,
	"ephemeral" integer DEFAULT false NOT NULL,
	"stateful" integer DEFAULT false NOT NULL,
	"creation_date" integer NOT NULL,
	"last_use_date" integer,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE no action,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE INDEX "instances_node" ON "instances" ("node_id","project_id");
CREATE UNIQUE INDEX "instances_name" ON "instances" ("project_id","name");
CREATE TABLE "instances_backups" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"instance_id" integer NOT NULL,
	"name" text NOT NULL,
	"creation_date" integer NOT NULL,
	"expiry_date" integer,
	"instance_only" integer DEFAULT false NOT NULL,
	"optimized_storage" integer DEFAULT false NOT NULL,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("instance_id") REFERENCES "instances"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "instances_backups_expiry" ON "instances_backups" ("expiry_date");
CREATE UNIQUE INDEX "instances_backups_name" ON "instances_backups" ("instance_id","name");
CREATE TABLE "instances_config" (
	"instance_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("instance_id", "key"),
	FOREIGN KEY ("instance_id") REFERENCES "instances"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "instances_devices" (
	"instance_id" integer NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("instance_id", "name", "key"),
	FOREIGN KEY ("instance_id") REFERENCES "instances"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "instances_profiles" (
	"instance_id" integer NOT NULL,
	"profile_id" integer NOT NULL,
	"apply_order" integer NOT NULL,
	PRIMARY KEY("instance_id", "apply_order"),
	FOREIGN KEY ("instance_id") REFERENCES "instances"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("profile_id") REFERENCES "profiles"("id") ON UPDATE no action ON DELETE no action
);
CREATE INDEX "instances_profiles_profile" ON "instances_profiles" ("profile_id");
CREATE TABLE "instances_snapshots" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"instance_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"stateful" integer DEFAULT false NOT NULL,
	"creation_date" integer NOT NULL,
	"expiry_date" integer,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("instance_id") REFERENCES "instances"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "instances_snapshots_expiry" ON "instances_snapshots" ("expiry_date");
CREATE UNIQUE INDEX "instances_snapshots_name" ON "instances_snapshots" ("instance_id","name");
CREATE TABLE "instances_snapshots_config" (
	"instance_snapshot_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("instance_snapshot_id", "key"),
	FOREIGN KEY ("instance_snapshot_id") REFERENCES "instances_snapshots"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "instances_snapshots_devices" (
	"instance_snapshot_id" integer NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("instance_snapshot_id", "name", "key"),
	FOREIGN KEY ("instance_snapshot_id") REFERENCES "instances_snapshots"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"type" text NOT NULL,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "networks_name" ON "networks" ("project_id","name");
CREATE TABLE "networks_acls" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"ingress" text DEFAULT '[]' NOT NULL,
	"egress" text DEFAULT '[]' NOT NULL,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "networks_acls_name" ON "networks_acls" ("project_id","name");
CREATE TABLE "networks_acls_config" (
	"network_acl_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_acl_id", "key"),
	FOREIGN KEY ("network_acl_id") REFERENCES "networks_acls"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_config" (
	"network_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_id", "key"),
	FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_forwards" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"network_id" integer NOT NULL,
	"node_id" integer,
	"listen_address" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"ports" text DEFAULT '[]' NOT NULL,
	FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "networks_forwards_address" ON "networks_forwards" ("network_id","node_id","listen_address") WHERE "networks_forwards"."node_id" is not null;
CREATE UNIQUE INDEX "networks_forwards_shared_address" ON "networks_forwards" ("network_id","listen_address") WHERE "networks_forwards"."node_id" is null;
CREATE INDEX "networks_forwards_node" ON "networks_forwards" ("node_id");
CREATE TABLE "networks_forwards_config" (
	"network_forward_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_forward_id", "key"),
	FOREIGN KEY ("network_forward_id") REFERENCES "networks_forwards"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_load_balancers" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"network_id" integer NOT NULL,
	"node_id" integer,
	"listen_address" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"backends" text DEFAULT '[]' NOT NULL,
	"ports" text DEFAULT '[]' NOT NULL,
	FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "networks_load_balancers_address" ON "networks_load_balancers" ("network_id","node_id","listen_address") WHERE "networks_load_balancers"."node_id" is not null;
CREATE UNIQUE INDEX "networks_load_balancers_shared_address" ON "networks_load_balancers" ("network_id","listen_address") WHERE "networks_load_balancers"."node_id" is null;
CREATE INDEX "networks_load_balancers_node" ON "networks_load_balancers" ("node_id");
CREATE TABLE "networks_load_balancers_config" (
	"network_load_balancer_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_load_balancer_id", "key"),
	FOREIGN KEY ("network_load_balancer_id") REFERENCES "networks_load_balancers"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_nodes" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"network_id" integer NOT NULL,
	"node_id" integer NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "networks_nodes_node" ON "networks_nodes" ("node_id");
CREATE UNIQUE INDEX "networks_nodes_member" ON "networks_nodes" ("network_id","node_id");
CREATE TABLE "networks_nodes_config" (
	"network_node_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_node_id", "key"),
	FOREIGN KEY ("network_node_id") REFERENCES "networks_nodes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_peers" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"network_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"target_project" text NOT NULL,
	"target_network" text NOT NULL,
	FOREIGN KEY ("network_id") REFERENCES "networks"("id") ON UPDATE no action ON DELETE cascade
);
CREATE UNIQUE INDEX "networks_peers_name" ON "networks_peers" ("network_id","name");
CREATE UNIQUE INDEX "networks_peers_target" ON "networks_peers" ("network_id","target_project","target_network");
CREATE TABLE "networks_peers_config" (
	"network_peer_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_peer_id", "key"),
	FOREIGN KEY ("network_peer_id") REFERENCES "networks_peers"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_zones" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "networks_zones_name_unique" ON "networks_zones" ("name");
CREATE INDEX "networks_zones_project" ON "networks_zones" ("project_id");
CREATE TABLE "networks_zones_config" (
	"network_zone_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_zone_id", "key"),
	FOREIGN KEY ("network_zone_id") REFERENCES "networks_zones"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "networks_zones_records" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"network_zone_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"entries" text DEFAULT '[]' NOT NULL,
	FOREIGN KEY ("network_zone_id") REFERENCES "networks_zones"("id") ON UPDATE no action ON DELETE cascade
);
CREATE UNIQUE INDEX "networks_zones_records_name" ON "networks_zones_records" ("network_zone_id","name");
CREATE TABLE "networks_zones_records_config" (
	"network_zone_record_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("network_zone_record_id", "key"),
	FOREIGN KEY ("network_zone_record_id") REFERENCES "networks_zones_records"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "nodes" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"address" text NOT NULL,
	"architecture" text NOT NULL,
	"failure_domain" text DEFAULT 'default' NOT NULL
);
CREATE UNIQUE INDEX "nodes_name_unique" ON "nodes" ("name");
CREATE TABLE "nodes_cluster_groups" (
	"node_id" integer NOT NULL,
	"group_id" integer NOT NULL,
	PRIMARY KEY("node_id", "group_id"),
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("group_id") REFERENCES "cluster_groups"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "nodes_cluster_groups_group" ON "nodes_cluster_groups" ("group_id");
CREATE TABLE "nodes_config" (
	"node_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("node_id", "key"),
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "operations" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"uuid" text NOT NULL,
	"node_id" integer NOT NULL,
	"project_id" integer,
	"type" text NOT NULL,
	"intent" text,
	"creation_date" integer NOT NULL,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE cascade
);
CREATE UNIQUE INDEX "operations_uuid_unique" ON "operations" ("uuid");
CREATE INDEX "operations_node" ON "operations" ("node_id");
CREATE INDEX "operations_project" ON "operations" ("project_id");
CREATE TABLE "profiles" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE cascade
);
CREATE UNIQUE INDEX "profiles_name" ON "profiles" ("project_id","name");
CREATE TABLE "profiles_config" (
	"profile_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("profile_id", "key"),
	FOREIGN KEY ("profile_id") REFERENCES "profiles"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "profiles_devices" (
	"profile_id" integer NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("profile_id", "name", "key"),
	FOREIGN KEY ("profile_id") REFERENCES "profiles"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "projects" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL
);
CREATE UNIQUE INDEX "projects_name_unique" ON "projects" ("name");
CREATE TABLE "projects_config" (
	"project_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("project_id", "key"),
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "storage_buckets" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"storage_pool_id" integer NOT NULL,
	"node_id" integer,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("storage_pool_id") REFERENCES "storage_pools"("id") ON UPDATE no action ON DELETE no action,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE no action,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "storage_buckets_name" ON "storage_buckets" ("storage_pool_id","node_id","name") WHERE "storage_buckets"."node_id" is not null;
CREATE UNIQUE INDEX "storage_buckets_remote_name" ON "storage_buckets" ("storage_pool_id","name") WHERE "storage_buckets"."node_id" is null;
CREATE INDEX "storage_buckets_project" ON "storage_buckets" ("project_id");
CREATE INDEX "storage_buckets_node" ON "storage_buckets" ("node_id");
CREATE TABLE "storage_buckets_config" (
	"storage_bucket_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("storage_bucket_id", "key"),
	FOREIGN KEY ("storage_bucket_id") REFERENCES "storage_buckets"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "storage_buckets_keys" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"storage_bucket_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"access_key" text NOT NULL,
	"secret_key" text NOT NULL,
	"role" text NOT NULL,
	FOREIGN KEY ("storage_bucket_id") REFERENCES "storage_buckets"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "storage_buckets_keys_access" ON "storage_buckets_keys" ("access_key");
CREATE UNIQUE INDEX "storage_buckets_keys_name" ON "storage_buckets_keys" ("storage_bucket_id","name");
CREATE TABLE "storage_pools" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"name" text NOT NULL,
	"driver" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"state" text DEFAULT 'ready' NOT NULL
);
CREATE UNIQUE INDEX "storage_pools_name_unique" ON "storage_pools" ("name");
CREATE TABLE "storage_pools_config" (
	"storage_pool_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("storage_pool_id", "key"),
	FOREIGN KEY ("storage_pool_id") REFERENCES "storage_pools"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "storage_pools_nodes" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"storage_pool_id" integer NOT NULL,
	"node_id" integer NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	FOREIGN KEY ("storage_pool_id") REFERENCES "storage_pools"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "storage_pools_nodes_node" ON "storage_pools_nodes" ("node_id");
CREATE UNIQUE INDEX "storage_pools_nodes_member" ON "storage_pools_nodes" ("storage_pool_id","node_id");
CREATE TABLE "storage_pools_nodes_config" (
	"storage_pool_node_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("storage_pool_node_id", "key"),
	FOREIGN KEY ("storage_pool_node_id") REFERENCES "storage_pools_nodes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "storage_volumes" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"storage_pool_id" integer NOT NULL,
	"node_id" integer,
	"project_id" integer NOT NULL,
	"name" text NOT NULL,
	"type" text NOT NULL,
	"content_type" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"creation_date" integer NOT NULL,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("storage_pool_id") REFERENCES "storage_pools"("id") ON UPDATE no action ON DELETE no action,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE no action,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "storage_volumes_name" ON "storage_volumes" ("storage_pool_id","node_id","project_id","type","name") WHERE "storage_volumes"."node_id" is not null;
CREATE UNIQUE INDEX "storage_volumes_remote_name" ON "storage_volumes" ("storage_pool_id","project_id","type","name") WHERE "storage_volumes"."node_id" is null;
CREATE INDEX "storage_volumes_project" ON "storage_volumes" ("project_id","type","name");
CREATE INDEX "storage_volumes_node" ON "storage_volumes" ("node_id");
CREATE TABLE "storage_volumes_backups" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"storage_volume_id" integer NOT NULL,
	"name" text NOT NULL,
	"creation_date" integer NOT NULL,
	"expiry_date" integer,
	"volume_only" integer DEFAULT false NOT NULL,
	"optimized_storage" integer DEFAULT false NOT NULL,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("storage_volume_id") REFERENCES "storage_volumes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "storage_volumes_backups_expiry" ON "storage_volumes_backups" ("expiry_date");
CREATE UNIQUE INDEX "storage_volumes_backups_name" ON "storage_volumes_backups" ("storage_volume_id","name");
CREATE TABLE "storage_volumes_config" (
	"storage_volume_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("storage_volume_id", "key"),
	FOREIGN KEY ("storage_volume_id") REFERENCES "storage_volumes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "storage_volumes_snapshots" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"storage_volume_id" integer NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"creation_date" integer NOT NULL,
	"expiry_date" integer,
	"state" text DEFAULT 'ready' NOT NULL,
	FOREIGN KEY ("storage_volume_id") REFERENCES "storage_volumes"("id") ON UPDATE no action ON DELETE cascade
);
CREATE INDEX "storage_volumes_snapshots_expiry" ON "storage_volumes_snapshots" ("expiry_date");
CREATE UNIQUE INDEX "storage_volumes_snapshots_name" ON "storage_volumes_snapshots" ("storage_volume_id","name");
CREATE TABLE "storage_volumes_snapshots_config" (
	"storage_volume_snapshot_id" integer NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	PRIMARY KEY("storage_volume_snapshot_id", "key"),
	FOREIGN KEY ("storage_volume_snapshot_id") REFERENCES "storage_volumes_snapshots"("id") ON UPDATE no action ON DELETE cascade
);
CREATE TABLE "tokens" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"uuid" text NOT NULL,
	"type" text NOT NULL,
	"name" text NOT NULL,
	"secret" text NOT NULL,
	"metadata" text,
	"node_id" integer,
	"creation_date" integer NOT NULL,
	"expiry_date" integer,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE no action
);
CREATE UNIQUE INDEX "tokens_uuid_unique" ON "tokens" ("uuid");
CREATE TABLE "warnings" (
	"id" integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	"uuid" text NOT NULL,
	"node_id" integer,
	"project_id" integer,
	"entity_type" text,
	"entity_id" integer,
	"type_code" integer NOT NULL,
	"severity" text NOT NULL,
	"status" text NOT NULL,
	"first_seen_date" integer NOT NULL,
	"last_seen_date" integer NOT NULL,
	"updated_date" integer NOT NULL,
	"last_message" text NOT NULL,
	"count" integer DEFAULT 1 NOT NULL,
	FOREIGN KEY ("node_id") REFERENCES "nodes"("id") ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY ("project_id") REFERENCES "projects"("id") ON UPDATE no action ON DELETE cascade
);
CREATE UNIQUE INDEX "warnings_uuid_unique" ON "warnings" ("uuid");
CREATE INDEX "warnings_node" ON "warnings" ("node_id");
CREATE INDEX "warnings_project" ON "warnings" ("project_id");
CREATE INDEX "warnings_subject" ON "warnings" ("type_code","entity_type","entity_id");
`;

BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE ledger (
	id SMALLINT NOT NULL, 
	store VARCHAR(32) NOT NULL, 
	sequence BIGINT NOT NULL, 
	terms TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "ledger" VALUES(1,'a5e3f73969504155b270810c22f01ef6',2,'1 PodDeleted Earliest Bill');
CREATE TABLE lifetime (
	id INTEGER NOT NULL, 
	uid TEXT NOT NULL, 
	group_id BIGINT NOT NULL, 
	version BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	node TEXT NOT NULL, 
	labels TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	pull_started BIGINT, 
	acknowledged BIGINT, 
	container_started BIGINT, 
	finished BIGINT, 
	alive BIGINT NOT NULL, 
	gone TEXT NOT NULL, 
	node_renewed BIGINT, 
	seen_by TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	is_open BOOLEAN NOT NULL, 
	billed_since BIGINT, 
	least_until BIGINT, 
	billed_until BIGINT, 
	most_until BIGINT, 
	length SMALLINT, 
	PRIMARY KEY (id)
);
INSERT INTO "lifetime" VALUES(1,'ended',2,1,'web-1','node-1','{"app":"web"}',1790000000000,1790000000000,NULL,NULL,NULL,1790000061000,'[1790000061000]',NULL,'["ledger-0"]','["PullStarted"]',1,0,1790000000,1790000061,1790000061,1790000061,6);
INSERT INTO "lifetime" VALUES(2,'open',2,1,'web-1','node-1','{"app":"web"}',1790000000000,1790000000000,NULL,NULL,NULL,1790000000000,'[]',NULL,'["ledger-0"]','["PullStarted"]',2,1,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE position (
	source TEXT NOT NULL, 
	version TEXT NOT NULL, 
	PRIMARY KEY (source)
);
CREATE TABLE usage_group (
	id INTEGER NOT NULL, 
	total BIGINT NOT NULL, 
	namespace TEXT NOT NULL, 
	workload TEXT NOT NULL, 
	profile TEXT NOT NULL, 
	cpu_millis BIGINT NOT NULL, 
	memory_mib BIGINT NOT NULL, 
	storage_gib BIGINT NOT NULL, 
	capacity TEXT NOT NULL, 
	architecture TEXT NOT NULL, 
	least BIGINT NOT NULL, 
	billed BIGINT NOT NULL, 
	most BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "usage_group" VALUES(1,0,'default','','web',250,512,20,'FARGATE','x86',61,61,61);
INSERT INTO "usage_group" VALUES(2,1,'default','Deployment/web','web',250,512,20,'FARGATE','x86',61,61,61);
CREATE TABLE usage_hour (
	group_id BIGINT NOT NULL, 
	hour INTEGER NOT NULL, 
	least BIGINT NOT NULL, 
	billed BIGINT NOT NULL, 
	most BIGINT NOT NULL, 
	PRIMARY KEY (group_id, hour)
)
 WITHOUT ROWID

;
INSERT INTO "usage_hour" VALUES(1,497222,61,61,61);
INSERT INTO "usage_hour" VALUES(2,497222,61,61,61);
CREATE TABLE watched (
	recorder TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (recorder, since)
);
CREATE UNIQUE INDEX usage_group_key ON usage_group (namespace, workload, profile, cpu_millis, memory_mib, storage_gib, capacity, architecture, total);
CREATE INDEX usage_group_total ON usage_group (total);
CREATE UNIQUE INDEX lifetime_uid ON lifetime (uid);
CREATE UNIQUE INDEX lifetime_sequence ON lifetime (sequence);
CREATE INDEX lifetime_group ON lifetime (group_id);
CREATE INDEX lifetime_name ON lifetime (name);
CREATE INDEX lifetime_billed ON lifetime (length, billed_since);
CREATE INDEX lifetime_open ON lifetime (id) WHERE is_open = 1;
COMMIT;

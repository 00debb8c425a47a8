export default /* sql */ `
CREATE TABLE "config" (
	"key" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
CREATE TABLE "patches" (
	"name" text PRIMARY KEY NOT NULL,
	"applied_date" integer NOT NULL
);
`;
